"""An ORM's ordinary use gives through Sluice exactly what it gives on the primary, with a replica behind.

The same seeded rounds (SQLAlchemy with its pool, in autocommit and in
transactions) run on the primary and through Sluice, each on tables of its own;
whatever they read must be equal. SLUICE_ORM_ROUNDS=10000 runs more of them.
"""

import os
import random

import pytest
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.orm import Session, declarative_base, joinedload, relationship, selectinload

from cluster import APP
from sluice import Sluice

ROUNDS = int(os.environ.get("SLUICE_ORM_ROUNDS", "300"))
SEED = int(os.environ.get("SLUICE_ORM_SEED", "20261120"))
DELAY = 2
FULL_SHELF = 40

Base = declarative_base()


class Author(Base):
    __tablename__ = "author"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(40), unique=True, nullable=False)
    born = sa.Column(sa.Date)
    books = relationship("Book", back_populates="author", cascade="all, delete-orphan", order_by="Book.id")


class Book(Base):
    __tablename__ = "book"
    id = sa.Column(sa.Integer, primary_key=True)
    author_id = sa.Column(sa.ForeignKey("author.id"), nullable=False)
    title = sa.Column(sa.String(60), nullable=False)
    price = sa.Column(sa.Numeric(10, 2))
    pages = sa.Column(sa.Integer)
    author = relationship("Author", back_populates="books")


def told(author):
    return author.id, author.name, str(author.born), [(book.id, book.title, str(book.price), book.pages) for book in author.books]


class Application:
    """One process of an application: an engine, its pool, and a seeded will of its own."""

    def __init__(self, port, schema):
        url = sa.engine.URL.create("mysql+mysqldb", *APP, host="127.0.0.1", port=port, database=schema, query={"charset": "utf8mb4"})
        self.engine = sa.create_engine(url, future=True, pool_size=3, max_overflow=0, pool_pre_ping=True)
        self.autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.luck = random.Random(SEED)
        self.names = 0
        self.said = []

    def run(self, rounds):
        """The words of all rounds: what each read, in order."""
        for number in range(rounds):
            self.said = []
            deed = self.luck.choice(DEEDS)
            deed(self)
            yield f"{number} {deed.__name__}: {self.said}"

    def tell(self, value):
        self.said.append(value)

    def new_author(self):
        self.names += 1
        books = [
            Book(title=f"É{self.luck.randrange(1000)} 日本 {n}", price=self.luck.choice((None, "9.99", "0.01", "12345.60")), pages=n)
            for n in range(self.luck.randrange(4))
        ]
        return Author(name=f"author {self.names}", born=self.luck.choice((None, "1900-02-28")), books=books)

    def any_author(self, session):
        """One of those that there are, chosen by what a read has said."""
        ids = session.scalars(sa.select(Author.id).order_by(Author.id)).all()
        self.tell(ids)
        return session.get(Author, self.luck.choice(ids)) if ids else None


def create(app):
    with Session(app.engine) as session:
        author = app.new_author()
        session.add(author)
        session.commit()
        app.tell(told(author))  # expired by the commit: read anew
        if len(session.scalars(sa.select(Author.id)).all()) > FULL_SHELF:
            session.delete(session.scalars(sa.select(Author).order_by(Author.id)).first())
            session.commit()


def create_in_autocommit(app):
    with Session(app.autocommit) as session:
        author = app.new_author()
        session.add(author)
        session.flush()
        session.expire_all()
        app.tell(told(author))
        app.tell(session.scalar(sa.select(sa.func.count()).select_from(Book)))


def change(app):
    with Session(app.engine) as session:
        if author := app.any_author(session):
            author.born = "1999-09-09"
            for book in author.books:
                book.pages = (book.pages or 0) + 7
            session.commit()
            session.refresh(author)
            app.tell(told(author))
    look(app)


def change_in_autocommit(app):
    with Session(app.autocommit) as session:
        if author := app.any_author(session):
            session.execute(sa.update(Book).where(Book.author_id == author.id).values(title=Book.title + "!", pages=Book.pages * 2 % 1000))
            session.expire_all()
            app.tell(told(author))
            author.books.append(Book(title="appended", pages=1))
            session.flush()
            session.refresh(author)
            app.tell(told(author))


def remove(app):
    with Session(app.engine) as session:
        author = app.any_author(session)
        if author and app.luck.random() < 0.7:
            number = author.id
            session.delete(author)
            session.commit()
            app.tell(session.get(Author, number))
            app.tell(session.scalar(sa.select(sa.func.count()).where(Book.author_id == number)))


def roll_back(app):
    with Session(app.engine) as session:
        if author := app.any_author(session):
            author.name = "never was"
            session.add(Book(author_id=author.id, title="never was"))
            session.flush()
            app.tell(session.scalar(sa.select(sa.func.count()).where(Book.title == "never was")))
            session.rollback()
            app.tell(told(author))
    look(app)


def save_point(app):
    with Session(app.engine) as session:
        author = app.new_author()
        session.add(author)
        session.flush()
        try:
            with session.begin_nested():
                session.add(Author(name=author.name))  # not unique
        except exc.IntegrityError as error:
            app.tell(error.orig.args[0])
        session.commit()
        app.tell(told(author))


def violate(app):
    with Session(app.autocommit) as session:
        if author := app.any_author(session):
            session.add(Author(name=author.name))
            try:
                session.flush()
            except exc.IntegrityError as error:
                app.tell(error.orig.args)
                session.rollback()
            app.tell(session.scalar(sa.select(sa.func.max(Author.id))))


def look(app):
    """Reads only, in autocommit: what a replica may serve."""
    with Session(app.autocommit) as session:
        lazily = sa.select(Author).order_by(Author.name).limit(3)
        eagerly = lazily.options(app.luck.choice((joinedload, selectinload))(Author.books))
        for query in (lazily, eagerly):
            app.tell([told(author) for author in session.scalars(query).unique()])
            session.expunge_all()
        totals = sa.select(Author.name, sa.func.count(Book.id), sa.func.sum(Book.price)).outerjoin(Book).group_by(Author.id, Author.name)
        app.tell([tuple(map(str, row)) for row in session.execute(totals.order_by(Author.id))])
        app.tell(session.execute(sa.text("SELECT COUNT(*), MAX(id) FROM book WHERE pages > :least"), {"least": 5}).one())


def look_in_a_transaction(app):
    with Session(app.engine) as session:
        first = [told(author) for author in session.scalars(sa.select(Author).order_by(Author.id.desc()).limit(5))]
        session.expire_all()
        assert [told(author) for author in session.scalars(sa.select(Author).order_by(Author.id.desc()).limit(5))] == first
        app.tell(first)


DEEDS = (
    create, create_in_autocommit, change, change_in_autocommit, remove, roll_back, save_point, violate, look, look, look, look,
    look_in_a_transaction,
)  # fmt: skip


@pytest.fixture(scope="module")
def delayed(cluster):
    """db2 applies everything two seconds late, and Sluice's bound lets it serve all the same."""
    worlds = {"test_orm_direct": cluster.primary.port, "test_orm_sluice": cluster.primary.port}
    for schema, port in worlds.items():
        cluster.primary.sql(f"CREATE DATABASE {schema} CHARACTER SET utf8mb4")
        Base.metadata.create_all(Application(port, schema).engine)
    cluster.wait_caught_up()
    cluster.delay_replica(0, DELAY)
    with Sluice(cluster, routing={"max_lag": "30s"}, monitor={"interval": "20ms"}) as sluice:
        yield sluice
    cluster.delay_replica(0, 0)
    cluster.wait_caught_up()


def test_an_orm_reads_through_sluice_what_it_reads_on_the_primary(cluster, delayed):
    direct = Application(cluster.primary.port, "test_orm_direct").run(ROUNDS)
    through = Application(delayed.port, "test_orm_sluice").run(ROUNDS)
    before = delayed.backends()
    for ours, theirs in zip(through, direct, strict=True):
        assert ours == theirs
    after = delayed.backends()
    reads = {name: after[name]["reads"] - before[name]["reads"] for name in after}
    print(f"{ROUNDS} rounds of seed {SEED} without a difference; reads by backend: {reads}")
    assert reads["db3"] > 0, reads
    assert delayed.status()["misroutes"] == 0
