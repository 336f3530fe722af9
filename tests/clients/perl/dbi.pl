# DBD::mysql and DBD::MariaDB: `dbi.pl mysql`, `dbi.pl MariaDB`, both with server-side prepares where values are bound.
use strict;
use warnings;
use utf8;
use DBI;
use Encode qw(encode_utf8 decode_utf8);
use Time::HiRes qw(time);
use JSON::PP;
binmode STDOUT;
$| = 1;

my $driver = $ARGV[0];
my $own    = lc $driver . '_';                # the prefix of the driver's attributes
my ($host, $port, $user, $password, $schema, $prefix, $tls, $infile) =
  map { $ENV{"ENDPOINT_$_"} } qw(HOST PORT USER PASSWORD SCHEMA PREFIX TLS INFILE);
my ($other_schema, $missing) = ($schema . '_b', $schema . '_missing');
my $emoji     = 'Grüße 🚰';
my $all_bytes = join '', map { chr } 0 .. 255;

sub connect_to {
    my %change = (password => $password, schema => $schema, @_);
    my $dsn = "DBI:$driver:database=$change{schema};host=$host;port=$port;${own}local_infile=1;${own}multi_statements=1";
    # Built with Connector/C neither can demand TLS, only take it where it is offered.
    $dsn .= ";${own}ssl=1;${own}ssl_optional=1" if $tls;
    my %attributes = (RaiseError => 1, PrintError => 0, AutoCommit => 1);
    $attributes{mysql_enable_utf8mb4} = 1 if $driver eq 'mysql';    # DBD::MariaDB is always so
    return $change{cached} ? DBI->connect_cached($dsn, $user, $change{password}, \%attributes)
      : DBI->connect($dsn, $user, $change{password}, \%attributes);
}

my $main = connect_to();

# Values bound mean a statement prepared on the server.
sub ask {
    my ($sql, $values, $on) = @_;
    $on //= $main;
    my $statement = $on->prepare($sql, {"${own}server_prepare" => $values ? 1 : 0});
    $statement->execute(@{$values // []});
    return $statement->{NUM_OF_FIELDS} ? $statement->fetchall_arrayref : [];
}
sub one { return ask(@_)->[0][0] }

sub text {
    my $value = shift;
    return ref $value ? '[' . join('|', map { text($_) } @$value) . ']' : $value // 'NULL';
}

sub equal {
    my ($got, $expected) = map { text($_) } @_;
    die 'got ' . substr($got, 0, 150) . ', expected ' . substr($expected, 0, 150) . "\n" if $got ne $expected;
}

sub fresh {
    my ($name, $columns) = @_;
    my $table = "${prefix}_$name";
    $main->do("DROP TABLE IF EXISTS $table");
    $main->do("CREATE TABLE $table (" . ($columns // 'id INT PRIMARY KEY AUTO_INCREMENT, v INT') . ')');
    return $table;
}

# What another connection sees, read in a transaction: the primary's truth.
sub others_count {
    my $table = shift;
    my $other = connect_to();
    $other->begin_work;
    my $count = one("SELECT COUNT(*) FROM $table", undef, $other);
    $other->rollback;
    $other->disconnect;
    return $count;
}
sub both_count { my $table = shift; return [one("SELECT COUNT(*) FROM $table"), others_count($table)] }

sub fails {
    my ($code, $state, $work) = @_;
    eval { $work->(); 1 } and die "no error $code\n";
    equal([$DBI::err, $DBI::state], [$code, $state]);
    return $DBI::errstr;
}

sub fails_then_works {
    my ($code, $state, $sql) = @_;
    fails($code, $state, sub { $main->do($sql) });
    equal(one('SELECT 1'), 1);
}

sub sets {
    my $statement = $main->prepare(shift, {"${own}server_prepare" => 0});
    $statement->execute;
    my @all;
    do { push @all, $statement->{NUM_OF_FIELDS} ? $statement->fetchall_arrayref : $statement->rows } while $statement->more_results;
    return \@all;
}

my $columns = 'txt, bin, num, day, moment, big, ubig, nothing, blank';
my @kinds   = ($emoji, $all_bytes, '-12345.67890', '2024-02-29', '2023-12-31 23:59:59.123456',
    '-9223372036854775808', '18446744073709551615', undef, '');

sub bind_bytes {
    my ($statement, $place, $bytes) = @_;
    $statement->bind_param($place, $bytes, DBI::SQL_BLOB());
}

my @scenarios = (
    login => sub { equal(one('SELECT DATABASE()'), $schema) },
    login_wrong_password => sub {
        my $message = fails(1045, '28000', sub { connect_to(password => 'wrong') });
        $message =~ /^Access denied for user '$user'@'.*' \(using password: YES\)$/ or die $message;
    },
    login_unknown_schema => sub { fails(1049, '42000', sub { connect_to(schema => $missing) }) },
    ddl => sub {
        my $table = fresh('ddl', 'id INT');
        $main->do("ALTER TABLE $table ADD COLUMN added VARCHAR(7)");
        equal([map { $_->[0] } @{ask("SHOW COLUMNS FROM $table")}], ['id', 'added']);
        $main->do("DROP TABLE $table");
        equal(ask("SHOW TABLES LIKE '$table'"), []);
    },
    insert => sub {
        my $table = fresh('insert');
        equal([$main->do("INSERT INTO $table (v) VALUES (1),(2)"), $main->{"${own}insertid"}], [2, 1]);
        equal([$main->do("INSERT INTO $table (v) VALUES (?)", undef, 3), $main->last_insert_id(undef, undef, $table, 'id')], [1, 3]);
        equal([$main->do("UPDATE $table SET v = 9 WHERE id < 3"), $main->do("DELETE FROM $table")], [2, 3]);
    },
    bulk_insert => sub {
        my $table = fresh('bulk');
        $main->prepare("INSERT INTO $table (id, v) VALUES (?, ?)")->execute_array({}, [1 .. 200], [1 .. 200]);
        $main->do("INSERT INTO $table (v) VALUES " . join(',', ('(?)') x 800), undef, 201 .. 1000);
        equal(ask("SELECT COUNT(*), SUM(v) FROM $table"), [[1000, 500500]]);
    },
    text_read => sub {
        my $table = fresh('kinds', 'id INT PRIMARY KEY AUTO_INCREMENT, txt VARCHAR(100) CHARACTER SET utf8mb4,
            bin VARBINARY(300), num DECIMAL(20,5), day DATE, moment DATETIME(6), big BIGINT, ubig BIGINT UNSIGNED,
            nothing INT, blank VARCHAR(10)');
        my $statement = $main->prepare("INSERT INTO $table ($columns) VALUES (?,?,?,?,?,?,?,?,?)");
        $statement->bind_param($_ + 1, $kinds[$_]) for grep { $_ != 1 } 0 .. $#kinds;
        bind_bytes($statement, 2, $all_bytes);
        $statement->execute;
        equal(ask("SELECT $columns FROM $table"), [\@kinds]);
    },
    prepared_read => sub {
        my $statement = $main->prepare("SELECT $columns FROM ${prefix}_kinds WHERE id = ?", {"${own}server_prepare" => 1});
        for (1 .. 3) {
            $statement->execute(1);
            equal($statement->fetchall_arrayref, [\@kinds]);
        }
    },
    prepared_many => sub {
        my @open = map { $main->prepare("SELECT $_, ? AS a, ? AS b", {"${own}server_prepare" => 1}) } 0 .. 4;
        for my $pair (['y', '2.5'], ['1', 'x'], [undef, '-7'], ['', undef]) {
            for my $i (reverse 0 .. 4) {
                $open[$i]->execute(@$pair);
                equal($open[$i]->fetchall_arrayref, [[$i, @$pair]]);
            }
        }
        my $typed = $main->prepare('SELECT ? + 1', {"${own}server_prepare" => 1});
        $typed->bind_param(1, 41, DBI::SQL_INTEGER());
        $typed->execute;
        equal($typed->fetchall_arrayref, [[42]]);
    },
    prepared_long_data => sub {
        my $table = fresh('longdata', 'v LONGBLOB');
        my $long  = $all_bytes x 6144;
        my $statement = $main->prepare("INSERT INTO $table VALUES (?)", {"${own}server_prepare" => 1});
        bind_bytes($statement, 1, $long);
        $statement->execute;
        one("SELECT v FROM $table") eq $long or die 'it differs';
    },
    prepared_error => sub {
        fails(1146, '42S02', sub { ask('SELECT * FROM missing_table WHERE id = ?', [1]) });
        equal(one('SELECT 1'), 1);
    },
    text_prepare => sub {
        $main->do("PREPARE s FROM 'SELECT ? * 2'");
        $main->do('SET @p = 21');
        equal(one('EXECUTE s USING @p'), 42);
        $main->do('DEALLOCATE PREPARE s');
    },
    commit => sub {
        my $table = fresh('commit');
        $main->begin_work;
        ask("INSERT INTO $table (v) VALUES (?)", [1]);
        $main->commit;
        equal(both_count($table), [1, 1]);
    },
    rollback => sub {
        my $table = fresh('rollback');
        $main->begin_work;
        ask("INSERT INTO $table (v) VALUES (?)", [1]);
        $main->rollback;
        equal(both_count($table), [0, 0]);
    },
    own_writes => sub {
        my $table = fresh('own');
        $main->begin_work;
        ask("INSERT INTO $table (v) VALUES (?)", [1]);
        equal(both_count($table), [1, 0]);
        $main->commit;
        equal(others_count($table), 1);
    },
    autocommit_off => sub {
        my $table = fresh('autocommit');
        $main->{AutoCommit} = 0;
        ask("INSERT INTO $table (v) VALUES (?)", [1]);
        equal(both_count($table), [1, 0]);
        $main->commit;
        equal(others_count($table), 1);
        $main->{AutoCommit} = 1;
    },
    savepoint => sub {
        my $table = fresh('savepoint');
        $main->do($_) for 'BEGIN', "INSERT INTO $table (id) VALUES (1)", 'SAVEPOINT s', "INSERT INTO $table (id) VALUES (2)",
          'ROLLBACK TO SAVEPOINT s', 'COMMIT';
        equal(ask("SELECT id FROM $table"), [[1]]);
    },
    read_back => sub {
        my $table = fresh('back');
        for my $i (1 .. 200) {
            $main->do("INSERT INTO $table (v) VALUES ($i)");
            my $id = $main->{"${own}insertid"};
            equal($i % 2 ? one("SELECT v FROM $table WHERE id = $id") : one("SELECT v FROM $table WHERE id = ?", [$id]), $i);
        }
    },
    set_names => sub {
        $main->do('SET NAMES latin1');
        equal(one("SELECT CHAR_LENGTH('é')"), 2) for 1 .. 3;    # two bytes, two letters
        $main->do('SET NAMES utf8mb4');
        equal(one("SELECT CHAR_LENGTH('é')"), 1);
    },
    set_time_zone => sub {
        $main->do("SET time_zone = '+03:00'");
        equal(one('SELECT FROM_UNIXTIME(0)'), '1970-01-01 03:00:00') for 1 .. 3;
        $main->do('SET time_zone = SYSTEM');
    },
    set_sql_mode => sub {
        my $mode = one('SELECT @@sql_mode');
        $main->do("SET sql_mode = 'ANSI_QUOTES'");
        equal(one(qq{SELECT "txt" FROM ${prefix}_kinds WHERE id = ?}, [1]), $emoji) for 1 .. 3;
        $main->do("SET sql_mode = '$mode'");
        equal(one('SELECT "txt"'), 'txt');
    },
    use_schema => sub {
        $main->do("CREATE TABLE IF NOT EXISTS $other_schema.${prefix}_there AS SELECT 7 AS v");
        $main->do("USE $other_schema");
        equal(one("SELECT v FROM ${prefix}_there"), 7);
        fails(1049, '42000', sub { $main->do("USE $missing") });
        equal(one('SELECT DATABASE()'), $other_schema);
        $main->do("USE $schema");
        equal(one('SELECT DATABASE()'), $schema);
    },
    user_variable => sub {
        $main->do('SET @a := 5');
        equal(one('SELECT @a + 1'), 6);
    },
    last_insert_id => sub {
        my $table = fresh('last');
        $main->do("INSERT INTO $table VALUES (41, 0)");
        $main->do("INSERT INTO $table (v) VALUES (0)");
        equal([one("SELECT COUNT(*) FROM $table"), one('SELECT LAST_INSERT_ID()')], [2, 42]) for 1 .. 3;
    },
    multi_statements => sub {
        my $table = fresh('multi');
        equal(sets("SELECT 1; INSERT INTO $table (v) VALUES (8); SELECT v FROM $table"), [[[1]], 1, [[8]]]);
    },
    call_results => sub {
        $main->do("DROP PROCEDURE IF EXISTS ${prefix}_p");
        $main->do("CREATE PROCEDURE ${prefix}_p(n INT) BEGIN SELECT n; SELECT n + 1, 'two'; END");
        equal([@{sets("CALL ${prefix}_p(4)")}[0, 1]], [[[4]], [[5, 'two']]]);
    },
    error_duplicate => sub {
        my $table = fresh('duplicate');
        $main->do("INSERT INTO $table VALUES (1, 1)");
        fails_then_works(1062, '23000', "INSERT INTO $table VALUES (1, 1)");
    },
    error_syntax        => sub { fails_then_works(1064, '42000', 'SELEKT 1') },
    error_missing_table => sub { fails_then_works(1146, '42S02', 'SELECT * FROM missing_table') },
    ping                => sub { $main->ping or die 'no answer' },
    long_row => sub {
        my $table = fresh('long', 'v LONGTEXT');
        $main->do("INSERT INTO $table SELECT REPEAT('abcde', 1048576)");
        one("SELECT v FROM $table") eq 'abcde' x 1048576 or die 'it differs';
    },
    empty_result => sub {
        my $statement = $main->prepare("SELECT id, txt AS other FROM ${prefix}_kinds WHERE id < 0");
        $statement->execute;
        equal([$statement->{NAME}, $statement->fetchall_arrayref], [['id', 'other'], []]);
    },
    load_data_local => sub {
        my $table = fresh('load', 'id INT PRIMARY KEY, v VARCHAR(50) CHARACTER SET utf8mb4');
        equal($main->do("LOAD DATA LOCAL INFILE '$infile' INTO TABLE $table CHARACTER SET utf8mb4"), 3);
        equal(ask("SELECT * FROM $table"), [[1, 'one'], [2, $emoji], [3, undef]]);
    },
    temporary_table => sub {
        my $table = "${prefix}_temp";
        $main->do("CREATE TEMPORARY TABLE $table AS SELECT 3 AS v");
        equal([one("SELECT v FROM $table"), one("SELECT v FROM $table WHERE v = ?", [3])], [3, 3]);
        $main->do("DROP TEMPORARY TABLE $table");
        fails_then_works(1146, '42S02', "SELECT v FROM $table");
    },
    show_warnings => sub {
        ask("SELECT CAST('abc' AS SIGNED)");
        equal(ask('SHOW WARNINGS')->[0][1], 1292);
        $main->do("DROP TABLE IF EXISTS ${prefix}_never");
        equal(ask('SHOW WARNINGS')->[0][1], 1051);
    },
    for_update => sub {
        my ($table, $other) = (fresh('lock'), connect_to());
        my $locking = "SELECT v FROM $table WHERE id = 1 FOR UPDATE";
        $main->do("INSERT INTO $table VALUES (1, 7)");
        $main->begin_work;
        equal(one($locking), 7);
        eval { one("$locking NOWAIT", undef, $other); 1 } and die 'the row was not locked';
        $DBI::err == 1205 or $DBI::err == 3572 or die $DBI::errstr;    # MariaDB, MySQL
        $main->commit;
        equal(one("$locking NOWAIT", undef, $other), 7);
        $other->disconnect;
    },
    pool => sub {    # DBI's cache: the same connection, taken up again after a ping
        my @pooled = map { connect_to(cached => 1) } 1 .. 20;
        equal(scalar(grep { $_ == $pooled[0] } @pooled), 20);
        equal(one('SELECT 5', undef, $pooled[0]), 5);
    },
    reconnects => sub {
        for my $i (1 .. 30) {
            my $other = connect_to();
            equal(one("SELECT $i", undef, $other), $i);
            $other->disconnect;
        }
    },
);

my $json = JSON::PP->new->utf8->canonical;
while (my ($name, $work) = splice @scenarios, 0, 2) {
    my $start = time;
    my $ok = eval { $work->(); 1 };
    my $detail = $ok ? '' : substr("$@", 0, 400);
    print $json->encode({scenario => $name, ok => $ok ? JSON::PP::true : JSON::PP::false, detail => $detail,
        ms => int((time - $start) * 1000)}), "\n";
}
$main->disconnect;
