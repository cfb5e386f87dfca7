/*
 * database_pool.h
 *	  Connections to PostgreSQL, a pool for each role.
 *
 * A pool stands for a role and a way to connect as it.  How many of its
 * connections are in use is counted by request_queue.c, which lets no more
 * requests run than may; this file keeps connections that are not in use,
 * opens new ones, and closes those that were idle for a while.
 */
#ifndef DDBSTREAMS_DATABASE_POOL_H
#define DDBSTREAMS_DATABASE_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <libpq-fe.h>

#define STATEMENT_MAX_PARAMS 6

/* Types of parameters: pg_type.h is no header for clients. */
#define BOOLOID		 16
#define TEXTOID		 25
#define JSONOID		 114
#define TEXTARRAYOID 1009

/* Each statement, wherever it stands; at most 32, see prepared below */
typedef enum StatementNumber
{
	STATEMENT_BODY, /* route.c */
	STATEMENT_MEMBER,
	STATEMENT_UPDATE,
	STATEMENT_LIST,
	STATEMENT_UNTAG,
	STATEMENT_ERROR,	/* answer.c */
	STATEMENT_METRICS,	/* gateway_metrics.c */
	STATEMENT_CHECK,	/* perform.c */
	STATEMENT_SETTINGS, /* console_session.c */
	STATEMENT_CONSOLE,	/* gateway_console.c */
	STATEMENT_CONSOLE_ERROR
} StatementNumber;

/* A statement that a connection prepares when it is first used there */
typedef struct Statement
{
	StatementNumber number;
	const char	   *name;
	const char	   *sql;
	int				n_params;
	Oid				types[STATEMENT_MAX_PARAMS];
} Statement;

/* A parameter; bytes NULL is null.  Only a binary one may hold zero bytes. */
typedef struct StatementParam
{
	const char *bytes;
	size_t		length;
	bool		is_binary;
} StatementParam;

struct Request;

typedef struct DatabasePool
{
	struct DatabasePool *next;
	char				*role;		  /* NULL: conninfo's user */
	const char			*search_path; /* NULL: the role's own */
	int					 limit;		  /* of connections in use */
	char			   **keywords;
	char			   **values;
	atomic_long			 complained_at; /* the log said that it cannot connect */
	atomic_size_t		 unread;		/* of answers (answer.c) */
	/* of request_queue.c, under its mutex */
	int				n_running;
	struct Request *waiting_head;
	struct Request *waiting_tail;
	/* under the mutex of database_pool.c */
	struct DatabaseConnection *idle;
} DatabasePool;

typedef struct DatabaseConnection
{
	PGconn					  *pgconn;
	DatabasePool			  *pool;
	PGresult				  *result;	 /* of the statement that runs, so far */
	unsigned				   prepared; /* bits of Statement.number */
	bool					   is_lost;	 /* it must not be used again */
	bool					   is_large; /* it has received a large result */
	long					   idle_since;
	struct DatabaseConnection *next;
} DatabaseConnection;

/*
 * Returns the pool for a role: what own (NULL: nothing) says, over what
 * conninfo says.  A pool lives as long as the process.  On failure NULL, and
 * *error is a malloc'd text.
 */
extern DatabasePool *database_pool_find(const char *conninfo, const char *own,
										const char *role, char **error);

/* The first of all pools; pools are only added, at the head. */
extern DatabasePool *database_pool_first(void);

/*
 * Returns an open connection, which is the caller's until database_release.
 * On failure NULL, and error gets the reason.
 */
extern DatabaseConnection *database_take(DatabasePool *pool, char *error,
										 size_t error_size);

/*
 * Opens a connection that belongs to no pool: as a role by its password, or as
 * conninfo's user if both are NULL.  database_release closes it.  On failure
 * NULL, and error gets the reason.
 */
extern DatabaseConnection *database_sign_in(const char *conninfo, const char *role,
											const char *password, char *error,
											size_t error_size);

/* Gives a connection back; one that is not fit to be used again is closed. */
extern void database_release(DatabaseConnection *connection);

/*
 * Runs a statement, which must return after some time.  Returns the result,
 * which may be an error's; NULL if the connection is lost.
 */
extern PGresult *database_query(DatabaseConnection	 *connection,
								const Statement		 *statement,
								const StatementParam *params);

/*
 * The same in pieces, for a caller that must not wait.  database_take_idle
 * returns an open connection on which the statement is prepared, or NULL;
 * database_send sends the statement.  Whenever there is something to read,
 * database_poll reads it, and returns whether nothing more is to come.
 * database_result, at any time, waits for the rest, and returns the result as
 * database_query does; it waits for nothing if database_poll was true.
 */
extern DatabaseConnection *database_take_idle(DatabasePool	  *pool,
											  const Statement *statement);
extern void				   database_send(DatabaseConnection	  *connection,
										 const Statement	  *statement,
										 const StatementParam *params);
extern bool				   database_poll(DatabaseConnection *connection);
extern PGresult			  *database_result(DatabaseConnection *connection);

/* Has a statement that database_poll has seen the end of returned rows? */
extern bool database_has_rows(const DatabaseConnection *connection);

/* Closes connections that were idle for long; to be called every second. */
extern void database_pool_reap(void);

/* Closes all idle connections. */
extern void database_pool_close_idle(void);

/* Does a server accept connections, by conninfo and the environment? */
extern bool database_answers(const char *conninfo);

/* Open connections, in use or idle */
extern int database_connections(void);

#endif /* DDBSTREAMS_DATABASE_POOL_H */
