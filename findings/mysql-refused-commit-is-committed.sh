#!/bin/sh
# Guess: a COMMIT that MySQL answers with an error was rolled back. The server's log says so, too: "some transactions were unable to
#   be certified and will now rollback". So a client may run the transaction again.
# What happens: a member of a replication group that loses the majority while a COMMIT waits for the others rolls it back after
#   group_replication_unreachable_majority_timeout, with error 3100. If the others had the message already, or still get it, they
#   commit the transaction, and the member gets it from them when it joins again. A client that repeats has done it twice.
# Version: MySQL 9.7.4 (Debian unstable). Three servers in a temporary folder; two are stopped (SIGSTOP) for 20 s.
#   MYSQLD names the server, MYSQL a client, if they are not mysqld and mysql in PATH.
# What it means: error 3100 at COMMIT is an unknown outcome, like a connection that breaks there. 3101 is a rollback on all members.
set -eu
server=$(command -v "${MYSQLD:-mysqld}") || { echo "needs mysqld: MYSQLD names it" >&2; exit 2; }
client=$(command -v "${MYSQL:-mysql}") || { echo "needs a client: MYSQL names it" >&2; exit 2; }
dir=$(mktemp -d)
pids=
trap 'for pid in $pids; do kill -9 "$pid"; done; wait; rm -rf "$dir"' EXIT
cd "$dir"
user=$(id -un)
"$server" --no-defaults --initialize-insecure --datadir="$dir/template" --user="$user" >init.log 2>&1 || { cat init.log >&2; exit 2; }
rm template/auto.cnf # each member makes an identity of its own
cat > join.sql <<'SQL'
SET SQL_LOG_BIN = 0;
SET GLOBAL super_read_only = OFF;
CREATE USER 'copy'@'127.0.0.1' IDENTIFIED BY 'copy';
GRANT REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM ON *.* TO 'copy'@'127.0.0.1';
CHANGE REPLICATION SOURCE TO SOURCE_USER = 'copy', SOURCE_PASSWORD = 'copy' FOR CHANNEL 'group_replication_recovery';
SQL
base=${PORTS:-24100} # nine ports from here on
start() {
    cp -r template "data$1"
    "$server" --no-defaults --datadir="$dir/data$1" --user="$user" --socket="$dir/socket$1" --pid-file="$dir/pid$1" \
        --init-file="$dir/join.sql" --bind-address=127.0.0.1 --skip-name-resolve --port=$((base + $1)) --mysqlx=OFF --secure-file-priv=NULL \
        --server-id="$1" --report-host=127.0.0.1 --report-port=$((base + $1)) --gtid-mode=ON --enforce-gtid-consistency=ON \
        --plugin-load-add=group_replication.so --group-replication-group-name=8a94f357-aab4-11df-86ab-c80aa9429562 \
        --group-replication-local-address=127.0.0.1:$((base + 3 + $1)) \
        --group-replication-group-seeds=127.0.0.1:$((base + 4)),127.0.0.1:$((base + 5)),127.0.0.1:$((base + 6)) \
        --group-replication-recovery-get-public-key=ON --group-replication-unreachable-majority-timeout=5 \
        --group-replication-exit-state-action=READ_ONLY --group-replication-message-cache-size=134217728 \
        --group-replication-start-on-boot=ON --group-replication-bootstrap-group="$2" >"log$1" 2>&1 &
    tries=0
    until grep -q "This server was declared online" "log$1" && [ -s "pid$1" ]; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { tail -5 "log$1" >&2; exit 2; }
        sleep 0.1
    done
    pids="$pids $(cat "pid$1")"
}
start 1 ON
start 2 OFF
start 3 OFF
ask() { "$client" --no-defaults --socket="$dir/socket$1" -uroot -N -e "$2" 2>&1 | sed 's/ at line [0-9]*//'; }
until ask 1 "CREATE DATABASE test; CREATE TABLE test.t (id INT PRIMARY KEY); SELECT 'made'" | grep -q made; do sleep 0.1; done
ask 1 "SELECT VERSION()"
until [ "$(ask 3 "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'test'")" = 1 ]; do sleep 0.1; done
kill -STOP "$(cat pid2)" "$(cat pid3)"
{
    echo "commit: $(ask 1 "INSERT INTO test.t VALUES (1)")"
    echo "rows of the member: $(ask 1 "SELECT COUNT(*) FROM test.t")"
} > seen
kill -CONT "$(cat pid2)" "$(cat pid3)"
tries=0
until [ "$(ask 1 "SELECT COUNT(*) FROM performance_schema.replication_group_members WHERE member_state = 'ONLINE'")" = 3 ]; do
    tries=$((tries + 1))
    [ $tries -lt 900 ] || { tail -5 log1 >&2; exit 2; }
    sleep 0.1
done
for member in 1 2 3; do
    echo "rows of member $member when all are back: $(ask $member "SELECT COUNT(*) FROM test.t")" >> seen
done
cat seen
cat > expected <<'SEEN'
commit: ERROR 3100 (HY000): Error on observer while running replication hook 'before_commit'.
rows of the member: 0
rows of member 1 when all are back: 1
rows of member 2 when all are back: 1
rows of member 3 when all are back: 1
SEEN
diff expected seen
