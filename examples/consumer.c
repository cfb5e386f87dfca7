/*
 * Writes each change of table orders to table audit, exactly once.
 *
 *     consumer NAME
 *
 * This is one worker of the consumer group "audit". Start as many as you like,
 * each with its own NAME. PGHOST, PGDATABASE, PGUSER and so on say where the
 * database is. The program ends with an error when it loses the database; start
 * it again, and it goes on where it was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

static PGconn *database;

/* Run a statement with its parameters; the result is the caller's to clear. */
static PGresult *
run(const char *sql, int count, const char *const *values)
{
	PGresult *result = PQexecParams(database, sql, count, NULL, values, NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_TUPLES_OK &&
		PQresultStatus(result) != PGRES_COMMAND_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(database));
		exit(1);
	}
	return result;
}

int
main(int argc, char **argv)
{
	const char *worker = argc > 1 ? argv[1] : "worker";

	database = PQconnectdb("");
	if (PQstatus(database) != CONNECTION_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(database));
		return 1;
	}

	for (;;)
	{
		PGresult *records;

		PQclear(run("begin", 0, NULL));
		/* the next records; waits until there are some, for 10 seconds at most */
		records = run("select shard_id, sequence_number, event_name,"
					  " keys #>> '{id,N}', new_image #>> '{status,S}'"
					  " from ddbstreams.poll('audit', $1, max_wait => '10 s')",
					  1, &worker);
		for (int i = 0; i < PQntuples(records); i++)
		{
			const char *values[3];

			for (int j = 0; j < 3; j++)
				values[j] = PQgetisnull(records, i, j + 2) ? NULL : PQgetvalue(records, i, j + 2);
			PQclear(run("insert into audit (event, order_id, status) values ($1, $2, $3)",
						3, values));
			/* the last record of a shard in this page */
			if (i + 1 == PQntuples(records) ||
				strcmp(PQgetvalue(records, i, 0), PQgetvalue(records, i + 1, 0)) != 0)
			{
				const char *done[3] = {worker, PQgetvalue(records, i, 0), PQgetvalue(records, i, 1)};

				PQclear(run("select ddbstreams.checkpoint('audit', $1, $2, $3)", 3, done));
			}
		}
		PQclear(records);
		/* records, their effects and the checkpoints are one transaction */
		PQclear(run("commit", 0, NULL));
	}
}
