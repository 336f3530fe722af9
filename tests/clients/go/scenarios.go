// go-sql-driver/mysql through database/sql.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

var (
	user, schema, prefix = os.Getenv("ENDPOINT_USER"), os.Getenv("ENDPOINT_SCHEMA"), os.Getenv("ENDPOINT_PREFIX")
	other, missing       = schema + "_b", schema + "_missing"
	background           = context.Background()
	db                   *sql.DB   // the pool
	main_                *sql.Conn // one connection out of it
)

const emoji = "Grüße 🚰"

func config() *mysql.Config {
	c := mysql.NewConfig()
	c.Net, c.Addr = "tcp", os.Getenv("ENDPOINT_HOST")+":"+os.Getenv("ENDPOINT_PORT")
	c.User, c.Passwd, c.DBName = user, os.Getenv("ENDPOINT_PASSWORD"), schema
	c.MultiStatements, c.Collation = true, "utf8mb4_general_ci"
	if os.Getenv("ENDPOINT_TLS") == "1" {
		c.TLSConfig = "unverified"
	}
	return c
}

// Scenarios panic; run() turns a panic into the result.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

func equal(got, expected interface{}) {
	if !reflect.DeepEqual(got, expected) {
		panic(fmt.Sprintf("got %.200v, expected %.200v", got, expected))
	}
}

func open(c *mysql.Config) *sql.DB {
	pool, err := sql.Open("mysql", c.FormatDSN())
	check(err)
	return pool
}

type runner interface {
	ExecContext(context.Context, string, ...interface{}) (sql.Result, error)
	QueryContext(context.Context, string, ...interface{}) (*sql.Rows, error)
}

func exec(on runner, statement string, values ...interface{}) sql.Result {
	result, err := on.ExecContext(background, statement, values...)
	check(err)
	return result
}

// Rows as text, NULL as nil. With values the driver prepares on the server.
func collect(rows *sql.Rows, err error) [][]interface{} {
	check(err)
	defer rows.Close()
	names, err := rows.Columns()
	check(err)
	var all [][]interface{}
	for rows.Next() {
		fields, places, row := make([]sql.NullString, len(names)), make([]interface{}, len(names)), []interface{}{}
		for i := range fields {
			places[i] = &fields[i]
		}
		check(rows.Scan(places...))
		for _, field := range fields {
			if field.Valid {
				row = append(row, field.String)
			} else {
				row = append(row, nil)
			}
		}
		all = append(all, row)
	}
	check(rows.Err())
	return all
}

func ask(on runner, statement string, values ...interface{}) [][]interface{} {
	return collect(on.QueryContext(background, statement, values...))
}

func one(on runner, statement string, values ...interface{}) interface{} {
	return ask(on, statement, values...)[0][0]
}

func fresh(name string, columns ...string) string {
	table := prefix + "_" + name
	exec(main_, "DROP TABLE IF EXISTS "+table)
	exec(main_, "CREATE TABLE "+table+" ("+strings.Join(append(columns, "id INT PRIMARY KEY AUTO_INCREMENT"), ", ")+")")
	return table
}

// What another connection sees, read in a transaction: the primary's truth.
func othersCount(table string) interface{} {
	tx, err := db.BeginTx(background, nil)
	check(err)
	defer tx.Rollback()
	return one(tx, "SELECT COUNT(*) FROM "+table)
}

func fails(code uint16, err error) string {
	found, is := err.(*mysql.MySQLError)
	if !is {
		panic(fmt.Sprintf("error %v instead of %d", err, code))
	}
	equal(found.Number, code)
	return found.Message
}

func failsThenWorks(code uint16, statement string) {
	_, err := main_.QueryContext(background, statement)
	fails(code, err)
	equal(one(main_, "SELECT 1"), "1")
}

func ping(c *mysql.Config) error {
	pool := open(c)
	defer pool.Close()
	return pool.Ping()
}

var kinds = []interface{}{emoji, string(allBytes()), "-12345.67890", "2024-02-29", "2023-12-31 23:59:59.123456",
	"-9223372036854775808", "18446744073709551615", nil, ""}

const kindColumns = "txt, bin, num, day, moment, big, ubig, nothing, blank"

func allBytes() []byte {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return all
}

func load(table string) {
	exec(main_, "LOAD DATA LOCAL INFILE '"+os.Getenv("ENDPOINT_INFILE")+"' INTO TABLE "+table+" CHARACTER SET utf8mb4 (id, v)")
}

type scenario struct {
	name string
	run  func()
}

var scenarios = []scenario{
	{"login", func() { equal(one(main_, "SELECT DATABASE()"), schema) }},
	{"login_wrong_password", func() {
		c := config()
		c.Passwd = "wrong"
		message := fails(1045, ping(c))
		equal(strings.HasPrefix(message, "Access denied for user '"+user+"'@'"), true)
		equal(strings.HasSuffix(message, "(using password: YES)"), true)
	}},
	{"login_unknown_schema", func() {
		c := config()
		c.DBName = missing
		fails(1049, ping(c))
	}},
	{"ddl", func() {
		table := fresh("ddl")
		exec(main_, "ALTER TABLE "+table+" ADD COLUMN added VARCHAR(7)")
		equal(ask(main_, "SHOW COLUMNS FROM "+table)[1][0], "added")
		exec(main_, "DROP TABLE "+table)
		equal(len(ask(main_, "SHOW TABLES LIKE '"+table+"'")), 0)
	}},
	{"insert", func() {
		table := fresh("insert", "v INT")
		for _, step := range []struct {
			statement     string
			affected, key int64
		}{{"INSERT INTO " + table + " (v) VALUES (1),(2)", 2, 1}, {"INSERT INTO " + table + " (v) VALUES (3)", 1, 3},
			{"UPDATE " + table + " SET v = 9 WHERE id < 3", 2, 0}, {"DELETE FROM " + table, 3, 0}} {
			result := exec(main_, step.statement)
			affected, _ := result.RowsAffected()
			key, _ := result.LastInsertId()
			equal([]int64{affected, key}, []int64{step.affected, step.key})
		}
	}},
	{"bulk_insert", func() {
		table, values := fresh("bulk", "v VARCHAR(20)"), []interface{}{}
		for i := 0; i < 1000; i++ {
			values = append(values, i+1, fmt.Sprint("value ", i))
		}
		exec(main_, "INSERT INTO "+table+" (id, v) VALUES "+strings.Repeat("(?,?),", 999)+"(?,?)", values...)
		equal(ask(main_, "SELECT COUNT(*), SUM(id) FROM "+table), [][]interface{}{{"1000", "500500"}})
	}},
	{"text_read", func() {
		table := fresh("kinds", `txt VARCHAR(100) CHARACTER SET utf8mb4, bin VARBINARY(300), num DECIMAL(20,5), day DATE,
			moment DATETIME(6), big BIGINT, ubig BIGINT UNSIGNED, nothing INT, blank VARCHAR(10)`)
		values := append([]interface{}{}, kinds...)
		values[1] = allBytes()
		exec(main_, "INSERT INTO "+table+" ("+kindColumns+") VALUES (?,?,?,?,?,?,?,?,?)", values...)
		equal(ask(main_, "SELECT "+kindColumns+" FROM "+table), [][]interface{}{kinds})
	}},
	{"prepared_read", func() {
		statement, err := main_.PrepareContext(background, "SELECT "+kindColumns+" FROM "+prefix+"_kinds WHERE id = ?")
		check(err)
		defer statement.Close()
		for i := 0; i < 3; i++ {
			equal(collect(statement.Query(1)), [][]interface{}{kinds})
		}
	}},
	{"prepared_many", func() {
		var statements []*sql.Stmt
		for i := 0; i < 5; i++ {
			statement, err := main_.PrepareContext(background, fmt.Sprintf("SELECT %d, ? AS a, ? AS b", i))
			check(err)
			defer statement.Close()
			statements = append(statements, statement)
		}
		for _, pair := range [][]interface{}{{int64(1), "x"}, {"y", 2.5}, {nil, int64(-7)}, {"", nil}} {
			for i := 4; i >= 0; i-- {
				expected := []interface{}{fmt.Sprint(i)}
				for _, value := range pair {
					if value != nil {
						value = fmt.Sprint(value)
					}
					expected = append(expected, value)
				}
				equal(collect(statements[i].Query(pair...)), [][]interface{}{expected})
			}
		}
	}},
	{"prepared_long_data", func() {
		table, long := fresh("longdata", "v LONGBLOB"), bytes.Repeat(allBytes(), 6144)
		exec(main_, "INSERT INTO "+table+" (v) VALUES (?)", long)
		equal(one(main_, "SELECT v FROM "+table) == string(long), true)
	}},
	{"prepared_error", func() {
		_, err := main_.PrepareContext(background, "SELECT * FROM missing_table WHERE id = ?")
		fails(1146, err)
		equal(one(main_, "SELECT 1"), "1")
	}},
	{"text_prepare", func() {
		exec(main_, "PREPARE s FROM 'SELECT ? * 2'")
		exec(main_, "SET @p = 21")
		equal(one(main_, "EXECUTE s USING @p"), "42")
		exec(main_, "DEALLOCATE PREPARE s")
	}},
	{"commit", func() {
		table := fresh("commit", "v INT")
		tx, err := main_.BeginTx(background, nil)
		check(err)
		exec(tx, "INSERT INTO "+table+" (v) VALUES (1)")
		check(tx.Commit())
		equal([]interface{}{one(main_, "SELECT COUNT(*) FROM "+table), othersCount(table)}, []interface{}{"1", "1"})
	}},
	{"rollback", func() {
		table := fresh("rollback", "v INT")
		tx, err := main_.BeginTx(background, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		check(err)
		exec(tx, "INSERT INTO "+table+" (v) VALUES (1)")
		check(tx.Rollback())
		equal([]interface{}{one(main_, "SELECT COUNT(*) FROM "+table), othersCount(table)}, []interface{}{"0", "0"})
	}},
	{"own_writes", func() {
		table := fresh("own", "v INT")
		tx, err := main_.BeginTx(background, nil)
		check(err)
		exec(tx, "INSERT INTO "+table+" (v) VALUES (?)", 1)
		equal([]interface{}{one(tx, "SELECT COUNT(*) FROM "+table), othersCount(table)}, []interface{}{"1", "0"})
		check(tx.Commit())
		equal(othersCount(table), "1")
	}},
	{"autocommit_off", func() {
		table := fresh("autocommit", "v INT")
		exec(main_, "SET autocommit = 0")
		exec(main_, "INSERT INTO "+table+" (v) VALUES (1)")
		equal([]interface{}{one(main_, "SELECT COUNT(*) FROM "+table), othersCount(table)}, []interface{}{"1", "0"})
		exec(main_, "COMMIT")
		equal(othersCount(table), "1")
		exec(main_, "SET autocommit = 1")
	}},
	{"savepoint", func() {
		table := fresh("savepoint", "v INT")
		for _, statement := range []string{"BEGIN", "INSERT INTO " + table + " (id) VALUES (1)", "SAVEPOINT s",
			"INSERT INTO " + table + " (id) VALUES (2)", "ROLLBACK TO SAVEPOINT s", "COMMIT"} {
			exec(main_, statement)
		}
		equal(ask(main_, "SELECT id FROM "+table), [][]interface{}{{"1"}})
	}},
	{"read_back", func() {
		table := fresh("back", "v INT")
		for i := 0; i < 200; i++ {
			key, _ := exec(main_, fmt.Sprintf("INSERT INTO %s (v) VALUES (%d)", table, i)).LastInsertId()
			if i%2 == 0 {
				equal(one(main_, fmt.Sprintf("SELECT v FROM %s WHERE id = %d", table, key)), fmt.Sprint(i))
			} else {
				equal(one(main_, "SELECT v FROM "+table+" WHERE id = ?", key), fmt.Sprint(i))
			}
		}
	}},
	{"set_names", func() {
		exec(main_, "SET NAMES latin1")
		for i := 0; i < 3; i++ {
			equal(one(main_, "SELECT CHAR_LENGTH('é')"), "2") // two bytes, two letters
			equal(one(main_, "SELECT _utf8mb4 X'C3A9'"), "\xe9")
		}
		exec(main_, "SET NAMES utf8mb4")
		equal(one(main_, "SELECT CHAR_LENGTH('é')"), "1")
	}},
	{"set_time_zone", func() {
		exec(main_, "SET time_zone = '+03:00'")
		for i := 0; i < 3; i++ {
			equal(one(main_, "SELECT FROM_UNIXTIME(0)"), "1970-01-01 03:00:00")
		}
		exec(main_, "SET time_zone = SYSTEM")
	}},
	{"set_sql_mode", func() {
		mode := one(main_, "SELECT @@sql_mode")
		exec(main_, "SET sql_mode = 'ANSI_QUOTES'")
		for i := 0; i < 3; i++ {
			equal(one(main_, `SELECT "txt" FROM `+prefix+"_kinds WHERE id = ?", 1), emoji)
		}
		exec(main_, fmt.Sprintf("SET sql_mode = '%s'", mode))
		equal(one(main_, `SELECT "txt"`), "txt")
	}},
	{"use_schema", func() {
		exec(main_, "CREATE TABLE IF NOT EXISTS "+other+"."+prefix+"_there AS SELECT 7 AS v")
		exec(main_, "USE "+other)
		equal(one(main_, "SELECT v FROM "+prefix+"_there"), "7")
		failsThenWorks(1049, "USE "+missing)
		equal(one(main_, "SELECT DATABASE()"), other)
		exec(main_, "USE "+schema)
		equal(one(main_, "SELECT DATABASE()"), schema)
	}},
	{"user_variable", func() {
		exec(main_, "SET @a := 5")
		equal(one(main_, "SELECT @a + 1"), "6")
	}},
	{"last_insert_id", func() {
		table := fresh("last", "v INT")
		exec(main_, "INSERT INTO "+table+" (id) VALUES (41)")
		exec(main_, "INSERT INTO "+table+" (v) VALUES (0)")
		for i := 0; i < 3; i++ {
			equal(one(main_, "SELECT COUNT(*) FROM "+table), "2")
			equal(one(main_, "SELECT LAST_INSERT_ID()"), "42")
		}
	}},
	{"multi_statements", func() {
		table := fresh("multi", "v INT")
		rows, err := main_.QueryContext(background,
			"SELECT 1; INSERT INTO "+table+" (v) VALUES (8); SELECT v FROM "+table+"; SELECT 2 WHERE FALSE")
		check(err)
		equal(sets(rows), "1;8;;")
	}},
	{"call_results", func() {
		exec(main_, "DROP PROCEDURE IF EXISTS "+prefix+"_p")
		exec(main_, "CREATE PROCEDURE "+prefix+"_p(n INT) BEGIN SELECT n; SELECT n + 1, 'two'; END")
		rows, err := main_.QueryContext(background, "CALL "+prefix+"_p(4)")
		check(err)
		equal(sets(rows), "4;5,two;")
		rows, err = main_.QueryContext(background, "CALL "+prefix+"_p(?)", 4)
		check(err)
		equal(sets(rows), "4;5,two;")
	}},
	{"error_duplicate", func() {
		table := fresh("duplicate", "v INT")
		exec(main_, "INSERT INTO "+table+" (id) VALUES (1)")
		failsThenWorks(1062, "INSERT INTO "+table+" (id) VALUES (1)")
	}},
	{"error_syntax", func() { failsThenWorks(1064, "SELEKT 1") }},
	{"error_missing_table", func() { failsThenWorks(1146, "SELECT * FROM missing_table") }},
	{"ping", func() { check(main_.PingContext(background)) }},
	{"long_row", func() {
		table := fresh("long", "v LONGTEXT")
		exec(main_, "INSERT INTO "+table+" (v) SELECT REPEAT('abcde', 1048576)")
		equal(one(main_, "SELECT v FROM "+table) == strings.Repeat("abcde", 1048576), true)
	}},
	{"empty_result", func() {
		rows, err := main_.QueryContext(background, "SELECT id, txt AS other FROM "+prefix+"_kinds WHERE id < 0")
		check(err)
		names, _ := rows.Columns()
		equal(names, []string{"id", "other"})
		equal(len(collect(rows, nil)), 0)
	}},
	{"load_data_local", func() {
		table := fresh("load", "v VARCHAR(50) CHARACTER SET utf8mb4")
		mysql.RegisterLocalFile(os.Getenv("ENDPOINT_INFILE"))
		load(table)
		equal(ask(main_, "SELECT id, v FROM "+table), [][]interface{}{{"1", "one"}, {"2", emoji}, {"3", nil}})
	}},
	{"temporary_table", func() {
		exec(main_, "CREATE TEMPORARY TABLE "+prefix+"_temp AS SELECT 3 AS v")
		equal(one(main_, "SELECT v FROM "+prefix+"_temp"), "3")
		equal(one(main_, "SELECT v FROM "+prefix+"_temp WHERE v = ?", 3), "3")
		exec(main_, "DROP TEMPORARY TABLE "+prefix+"_temp")
		failsThenWorks(1146, "SELECT v FROM "+prefix+"_temp")
	}},
	{"show_warnings", func() {
		ask(main_, "SELECT CAST('abc' AS SIGNED)")
		equal(ask(main_, "SHOW WARNINGS")[0][1], "1292")
		exec(main_, "DROP TABLE IF EXISTS "+prefix+"_never")
		equal(ask(main_, "SHOW WARNINGS")[0][1], "1051")
	}},
	{"for_update", func() {
		table := fresh("lock", "v INT")
		exec(main_, "INSERT INTO "+table+" VALUES (7, 1)")
		tx, err := main_.BeginTx(background, nil)
		check(err)
		locking := "SELECT v FROM " + table + " WHERE id = 1 FOR UPDATE"
		equal(one(tx, locking), "7")
		_, err = db.QueryContext(background, locking+" NOWAIT")
		found, is := err.(*mysql.MySQLError)
		equal(is && (found.Number == 1205 || found.Number == 3572), true) // MariaDB, MySQL
		check(tx.Commit())
		equal(one(db, locking+" NOWAIT"), "7")
	}},
	{"pool", func() {
		table, done := fresh("pool", "v INT"), make(chan error)
		for worker := 0; worker < 4; worker++ {
			go func() {
				var err error
				for i := 0; i < 25 && err == nil; i++ {
					_, err = db.Exec("INSERT INTO "+table+" (v) VALUES (?)", i)
				}
				done <- err
			}()
		}
		for worker := 0; worker < 4; worker++ {
			check(<-done)
		}
		equal(othersCount(table), "100")
		equal(db.Stats().OpenConnections <= 4, true)
	}},
	{"reconnects", func() {
		for i := 0; i < 30; i++ {
			pool := open(config())
			equal(one(pool, fmt.Sprint("SELECT ", i)), fmt.Sprint(i))
			check(pool.Close())
		}
	}},
}

// All results, as "1,2;3;": what is no result set has no columns and is left out by the driver.
func sets(rows *sql.Rows) string {
	defer rows.Close()
	text := ""
	for more := true; more; more = rows.NextResultSet() {
		names, err := rows.Columns()
		check(err)
		for rows.Next() {
			fields, places := make([]string, len(names)), make([]interface{}, len(names))
			for i := range fields {
				places[i] = &fields[i]
			}
			check(rows.Scan(places...))
			text += strings.Join(fields, ",")
		}
		text += ";"
	}
	check(rows.Err())
	return text
}

func attempt(work func()) (detail string) {
	defer func() {
		if cause := recover(); cause != nil {
			detail = fmt.Sprint(cause)
		}
	}()
	work()
	return ""
}

func main() {
	check(mysql.RegisterTLSConfig("unverified", &tls.Config{InsecureSkipVerify: true}))
	db = open(config())
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	var err error
	main_, err = db.Conn(background)
	check(err)
	for _, each := range scenarios {
		start := time.Now()
		detail := attempt(each.run)
		line, _ := json.Marshal(map[string]interface{}{"scenario": each.name, "ok": detail == "", "detail": detail,
			"ms": time.Since(start).Milliseconds()})
		fmt.Println(string(line))
	}
}
