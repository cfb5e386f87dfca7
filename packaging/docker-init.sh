#!/bin/bash
# Run once by PostgreSQL's official image, when it has made a server: preloads
# the library, and creates the extension in $POSTGRES_DB.
set -euo pipefail

echo "shared_preload_libraries = 'ddbstreams'" >>"$PGDATA/postgresql.conf"
pg_ctl -D "$PGDATA" -m fast -w restart -o "-c listen_addresses=''"
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
	-c 'create extension ddbstreams'
