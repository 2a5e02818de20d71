#!/bin/sh
# Guess: a server that prepares a statement resolves every table and column in it, so preparing all statements of a program against
#   the schema finds every misspelt name. It does for SELECT, UPDATE, DELETE and INSERT … VALUES.
# What happens: for INSERT … SELECT MariaDB resolves the source's names at PREPARE, and those of the target's column list only at
#   EXECUTE. A statement with a column that the target does not have is prepared without an error, and fails when it runs.
# Version: MariaDB 10.11 (a server of the system, started in a temporary folder).
# What it means: checks that only prepare (of migrations, of compile-time query checkers, of CI) miss these names: write
#   INSERT … VALUES, if need be with subqueries as values, or execute the statement in a transaction that is rolled back.
set -eu
server=$(command -v mariadbd) || { echo "needs mariadbd and mariadb-install-db in PATH" >&2; exit 2; }
dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; wait; rm -rf "$dir"' EXIT
cd "$dir"
user=$(id -un)
mariadb-install-db --no-defaults --datadir="$dir/data" --user="$user" --auth-root-authentication-method=normal >install.log 2>&1 ||
    { cat install.log >&2; exit 2; }
"$server" --no-defaults --datadir="$dir/data" --user="$user" --socket="$dir/socket" --skip-networking >server.log 2>&1 &
pid=$!
until [ -S socket ]; do
    kill -0 "$pid" || { cat server.log >&2; exit 2; }
    sleep 0.1
done
ask() { mariadb --no-defaults --socket="$dir/socket" -uroot -N test -e "$1" 2>&1 | sed -n 's/ at line [0-9]*//; /^ERROR\|^prepared\|^[0-9]/p'; }
mariadb --no-defaults --socket="$dir/socket" -uroot -e "CREATE DATABASE IF NOT EXISTS test"
ask "CREATE TABLE target (a INT); CREATE TABLE source (b INT)"
ask "SELECT VERSION()"
{
    echo "prepare VALUES:        $(ask "PREPARE q FROM 'INSERT INTO target (misspelt) VALUES (1)'; SELECT 'prepared'")"
    echo "prepare SELECT:        $(ask "PREPARE q FROM 'INSERT INTO target (misspelt) SELECT b FROM source'; SELECT 'prepared'")"
    echo "prepare of the source: $(ask "PREPARE q FROM 'INSERT INTO target (a) SELECT misspelt FROM source'; SELECT 'prepared'")"
    echo "execute SELECT:        $(ask "INSERT INTO target (misspelt) SELECT b FROM source")"
} > seen
cat seen
cat > expected <<'SEEN'
prepare VALUES:        ERROR 1054 (42S22): Unknown column 'misspelt' in 'INSERT INTO'
prepare SELECT:        prepared
prepare of the source: ERROR 1054 (42S22): Unknown column 'misspelt' in 'SELECT'
execute SELECT:        ERROR 1054 (42S22): Unknown column 'misspelt' in 'INSERT INTO'
SEEN
diff expected seen
