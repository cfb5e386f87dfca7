/*
 * Follows the stream of table orders by iterators, and prints each record as a
 * line of JSON.
 *
 *     follow DIRECTORY
 *
 * A process of its own reads each shard; one prints at a time, so that lines do
 * not mix. The directory has a file for each shard that says how far it is. The
 * file is written after the records are printed, so each record is printed at
 * least once. The program ends with an error when it loses the database; start it
 * again, and it goes on where it was. Run it once for a directory: it does not
 * share the shards with others.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libpq-fe.h>

#define MAX_SHARDS 1024
#define FINISHED "finished"

static PGconn *database;
static const char *directory;
static const char *arn;
static int		   turn;				 /* the directory, locked by the process that prints */
static char		   page_buffer[1 << 20]; /* of stdout: a page goes out at once */

static void
connect_database(void)
{
	database = PQconnectdb("");
	if (PQstatus(database) != CONNECTION_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(database));
		exit(1);
	}
}

/* Run a query with up to four parameters; the result is the caller's to clear. */
static PGresult *
run(const char *sql, const char *a, const char *b, const char *c, const char *d)
{
	const char *values[4] = {a, b, c, d};
	int			count = 4;

	while (count > 0 && values[count - 1] == NULL)
		count--;
	return PQexecParams(database, sql, count, NULL, values, NULL, NULL, 0);
}

static PGresult *
must(PGresult *result)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(database));
		exit(1);
	}
	return result;
}

/* A copy of a value, to be freed; NULL for null */
static char *
value(PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : strdup(PQgetvalue(result, row, column));
}

/* The first value of a result, which is cleared */
static char *
one(PGresult *result)
{
	char *text = value(must(result), 0, 0);

	PQclear(result);
	return text;
}

/* How far a shard is: "", a sequence number, or FINISHED; valid until the next call */
static const char *
load(const char *shard)
{
	static char position[64];
	char		path[1024];
	FILE	   *file;

	snprintf(path, sizeof(path), "%s/%s", directory, shard);
	position[0] = '\0';
	file = fopen(path, "r");
	if (file != NULL)
	{
		if (fscanf(file, "%63s", position) != 1)
			position[0] = '\0';
		fclose(file);
	}
	else if (errno != ENOENT)
	{
		perror(path);
		exit(1);
	}
	return position;
}

/* All of the new position is in the file, or all of the old one. */
static void
save(const char *shard, const char *position)
{
	char  path[1024];
	char  next[1024 + 4];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, shard);
	snprintf(next, sizeof(next), "%s.new", path);
	file = fopen(next, "w");
	if (file == NULL || fprintf(file, "%s\n", position) < 0 || fflush(file) != 0 ||
		fsync(fileno(file)) != 0 || fclose(file) != 0 || rename(next, path) != 0)
	{
		perror(next);
		exit(1);
	}
}

/* An iterator that goes on behind the last record that was printed */
static char *
first_iterator(const char *shard)
{
	const char *position = load(shard);

	if (position[0] != '\0')
	{
		PGresult   *result = run("select ddbstreams.get_shard_iterator($1, $2, $3, $4)",
								 arn, shard, "AFTER_SEQUENCE_NUMBER", position);
		const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

		if (state == NULL || strcmp(state, "ZS002") != 0)
			return one(result);
		fprintf(stderr, "%s: records may have expired before they were read\n", shard);
		PQclear(result);
	}
	return one(run("select ddbstreams.get_shard_iterator($1, $2, $3)",
				   arn, shard, "TRIM_HORIZON", NULL));
}

/* Read a shard to its end. */
static void
follow(const char *shard)
{
	char *iterator = first_iterator(shard);

	while (iterator != NULL)
	{
		PGresult *records = must(run("select sequence_number, next_shard_iterator,"
									 " json_build_object('number', sequence_number,"
									 " 'event', event_name, 'keys', keys, 'image', new_image)"
									 " from ddbstreams.get_records($1)",
									 iterator, NULL, NULL, NULL));
		int		  count = PQntuples(records);

		if (count > 0)
		{
			flock(turn, LOCK_EX);
			for (int i = 0; i < count; i++)
				printf("%s\n", PQgetvalue(records, i, 2));
			fflush(stdout);
			flock(turn, LOCK_UN);
			save(shard, PQgetvalue(records, count - 1, 0));
			free(iterator);
			iterator = value(records, count - 1, 1);
		}
		else
		{
			/* nothing to read now: wait for the next commit, or for the shard's end */
			free(one(run("select ddbstreams.wait_for_records($1, '1 minute')",
						 iterator, NULL, NULL, NULL)));
			/* the same position, or null at the end of the shard */
			iterator = one(run("select ddbstreams.next_shard_iterator($1)",
							   iterator, NULL, NULL, NULL));
		}
		PQclear(records);
	}
	save(shard, FINISHED);
}

/* Is the shard there, and not yet read to its end? */
static int
is_unfinished(PGresult *shards, const char *shard)
{
	for (int i = 0; i < PQntuples(shards); i++)
	{
		if (strcmp(PQgetvalue(shards, i, 0), shard) == 0)
			return strcmp(load(shard), FINISHED) != 0;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	static pid_t running[MAX_SHARDS];
	static char *shard_of[MAX_SHARDS];
	int			 count = 0;

	if (argc != 2)
	{
		fprintf(stderr, "usage: follow DIRECTORY\n");
		return 1;
	}
	directory = argv[1];
	setvbuf(stdout, page_buffer, _IOFBF, sizeof(page_buffer));
	connect_database();
	arn = one(run("select ddbstreams.latest_stream_arn('orders')", NULL, NULL, NULL, NULL));

	for (;;)
	{
		PGresult *shards = must(run("select shard_id, coalesce(parent_shard_id, '')"
									" from ddbstreams.describe_stream($1)",
									arn, NULL, NULL, NULL));
		pid_t	  ended;
		int		  status;
		int		  at;

		/* Start what is not finished, and whose parent is finished or gone. */
		for (int i = 0; i < PQntuples(shards) && count < MAX_SHARDS; i++)
		{
			const char *shard = PQgetvalue(shards, i, 0);

			if (!is_unfinished(shards, shard) ||
				is_unfinished(shards, PQgetvalue(shards, i, 1)))
				continue;
			for (at = 0; at < count; at++)
			{
				if (strcmp(shard_of[at], shard) == 0)
					break;
			}
			if (at < count)
				continue;
			shard_of[count] = strdup(shard);
			running[count] = fork();
			if (running[count] == 0)
			{
				/* it does not outlive this program (Linux) */
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				turn = open(directory, O_RDONLY);
				if (turn < 0)
				{
					perror(directory);
					exit(1);
				}
				connect_database();
				follow(shard);
				PQfinish(database);
				exit(0);
			}
			count++;
		}
		PQclear(shards);
		if (count == 0)
			return 0;			/* the stream is disabled, and read to its end */

		/* One that ends well has children, perhaps; any other ends the program. */
		ended = wait(&status);
		if (ended < 0 || status != 0)
			return 1;
		for (at = 0; running[at] != ended; at++)
			;
		free(shard_of[at]);
		count--;
		running[at] = running[count];
		shard_of[at] = shard_of[count];
	}
}
