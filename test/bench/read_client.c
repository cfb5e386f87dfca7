/*
 * read_client.c
 *	  Reads all changes of table items as a client does, page by page by
 *	  aws('GetRecords'), and writes the pages to the standard output, as
 *	  pg_recvlogical writes changes.  Says on the standard error how many
 *	  records there were.
 *
 * The connection is that of the environment.
 */
#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#define ITERATOR_LENGTH 2048

static PGresult *
ask(PGconn *conn, const char *query, const char *parameter)
{
	const char *parameters[1] = {parameter};
	PGresult   *result = PQexecParams(conn, query, parameter != NULL ? 1 : 0, NULL,
									  parameters, NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		fputs(PQerrorMessage(conn), stderr);
		exit(1);
	}
	return result;
}

static long
count_records(const char *page, size_t length)
{
	static const char name[] = "\"eventID\"";
	const char		 *end = page + length;
	long			  count = 0;

	while ((page = memmem(page, end - page, name, sizeof(name) - 1)) != NULL)
	{
		count++;
		page += sizeof(name) - 1;
	}
	return count;
}

/* Finds the iterator at a page's end; returns false if there is none. */
static int
next_iterator(const char *page, size_t length, char *iterator)
{
	static const char name[] = "\"NextShardIterator\":\"";
	size_t			  tail = length < ITERATOR_LENGTH ? length : ITERATOR_LENGTH;
	const char		 *begin = memmem(page + length - tail, tail, name, sizeof(name) - 1);
	const char		 *end;

	if (begin == NULL)
		return 0;
	begin += sizeof(name) - 1;
	end = strchr(begin, '"');
	if (end == NULL)
		return 0;
	memcpy(iterator, begin, end - begin);
	iterator[end - begin] = '\0';
	return 1;
}

/* Reads the shard of an iterator; returns how many records it has. */
static long
read_shard(PGconn *conn, const char *first)
{
	char iterator[ITERATOR_LENGTH];
	long count = 0;
	long found = 1;

	snprintf(iterator, sizeof(iterator), "%s", first);
	while (found > 0)
	{
		PGresult   *result = ask(conn,
								 "select ddbstreams.aws('GetRecords', "
								 "json_build_object('ShardIterator', $1::text))",
								 iterator);
		const char *page = PQgetvalue(result, 0, 0);
		size_t		length = PQgetlength(result, 0, 0);

		found = count_records(page, length);
		count += found;
		fwrite(page, 1, length, stdout);
		putchar('\n');
		if (!next_iterator(page, length, iterator))
			found = 0;
		PQclear(result);
	}
	return count;
}

int
main(void)
{
	PGconn	 *conn = PQconnectdb("");
	PGresult *shards = ask(conn,
						   "select ddbstreams.get_shard_iterator(arn, shard_id, 'TRIM_HORIZON')"
						   " from ddbstreams.latest_stream_arn('items') arn,"
						   " ddbstreams.describe_stream(arn)",
						   NULL);
	long	  count = 0;

	for (int i = 0; i < PQntuples(shards); i++)
		count += read_shard(conn, PQgetvalue(shards, i, 0));
	fprintf(stderr, "%ld\n", count);
	return 0;
}
