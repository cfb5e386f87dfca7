/*
 * console_session.c
 *	  Who uses the console: a role of PostgreSQL, by its password.
 *
 * Each request brings role and password (HTTP's Basic scheme), and each gets a
 * connection of its own: PostgreSQL decides anew whether the role may log in,
 * and nothing that could be stolen is kept here.  A password that PostgreSQL
 * has not asked for proves nothing, as under "trust" in pg_hba.conf; such a
 * connection is not used.
 *
 * A wrong password costs its request a second.  That, and the number of
 * requests that may run, bound how fast passwords can be tried.  Some of that
 * number are always left to others than the machine that tries.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "gateway/console_session.h"
#include "gateway/gateway_log.h"
#include "gateway/gateway_options.h"

/*
 * Requests of the console that may run.  Each has a worker thread, which
 * AWS's clients want, too.
 */
#define MAX_RUNNING 16

/* Of one machine, or of one network of IPv6 */
#define MAX_RUNNING_OF_ADDRESS 12

#define PENALTY 1 /* seconds */

#define MAX_CREDENTIALS 1024 /* bytes, encoded */

/*
 * Read by the browser, in UTC; and numbers as PostgreSQL writes them.  The
 * role or the database may have a lower limit of time; none (0) is no setting
 * here, where the pool has set one.
 */
static const Statement settings_statement = {
	.number = STATEMENT_SETTINGS,
	.name = "console_settings",
	.sql = "SELECT pg_catalog.set_config(s.name, v.setting, false)"
		   " FROM pg_catalog.pg_settings s,"
		   " (VALUES ('search_path', 'pg_catalog'), ('TimeZone', 'UTC'),"
		   " ('ddbstreams.dynamodb_numbers', 'off'), ('statement_timeout', '20000'))"
		   " v (name, setting) WHERE s.name OPERATOR(pg_catalog.=) v.name"
		   " AND (s.name OPERATOR(pg_catalog.<>) 'statement_timeout'"
		   " OR s.setting::pg_catalog.int8 OPERATOR(pg_catalog.>) 20000)",
	.n_params = 0};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static const Request  *running[MAX_RUNNING];   /* NULL: free */
static uint64_t		   addresses[MAX_RUNNING]; /* of their clients */

/* Returns a number that is the same for all clients of a machine. */
static uint64_t
address_of(const Request *request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info != NULL ? info->client_addr : NULL;
	uint64_t			   number = 0;

	if (address == NULL)
		return 0;
	if (address->sa_family == AF_INET)
		return ((const struct sockaddr_in *) address)->sin_addr.s_addr;
	if (address->sa_family == AF_INET6)
	{
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *) address)->sin6_addr;

		if (IN6_IS_ADDR_V4MAPPED(in6))
			memcpy(&number, in6->s6_addr + 12, 4);
		else
			memcpy(&number, in6->s6_addr, 8);
	}
	return number;
}

static bool
start_running(const Request *request)
{
	uint64_t address = address_of(request);
	int		 of_address = 0;
	int		 place = -1;

	pthread_mutex_lock(&mutex);
	for (int i = 0; i < MAX_RUNNING; i++)
	{
		if (running[i] == NULL)
			place = i;
		else
			of_address += addresses[i] == address;
	}
	if (of_address >= MAX_RUNNING_OF_ADDRESS)
		place = -1;
	if (place >= 0)
	{
		running[place] = request;
		addresses[place] = address;
	}
	pthread_mutex_unlock(&mutex);
	return place >= 0;
}

static void
stop_running(const Request *request)
{
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < MAX_RUNNING; i++)
	{
		if (running[i] == request)
			running[i] = NULL;
	}
	pthread_mutex_unlock(&mutex);
}

/* Does a request come over TLS, or from this machine? */
static bool
is_protected(const Request *request)
{
	const union MHD_ConnectionInfo *info;
	const struct sockaddr		   *address;

	if (gateway_options.tls_cert != NULL)
		return true;
	info = MHD_get_connection_info(request->connection,
								   MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	address = info != NULL ? info->client_addr : NULL;
	if (address == NULL)
		return false;
	if (address->sa_family == AF_INET)
	{
		const struct sockaddr_in *in = (const struct sockaddr_in *) address;

		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	}
	if (address->sa_family == AF_INET6)
	{
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *) address)->sin6_addr;

		return IN6_IS_ADDR_LOOPBACK(in6) ||
			   (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
	}
	return false;
}

/*
 * Decodes the value of an Authorization header into "role", a zero byte and
 * "password".  Returns the password, or NULL if there is none.
 */
static char *
decode_credentials(const char *header, char *out)
{
	static const char scheme[] = "Basic ";
	unsigned char	  decoded[MAX_CREDENTIALS];
	size_t			  length;
	int				  decoded_length;
	char			 *colon;

	if (strncasecmp(header, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	header += sizeof(scheme) - 1;
	header += strspn(header, " ");
	length = strlen(header);
	if (length == 0 || length > MAX_CREDENTIALS || length % 4 != 0)
		return NULL;
	decoded_length = EVP_DecodeBlock(decoded, (const unsigned char *) header, (int) length);
	if (decoded_length < 0)
		return NULL;
	for (size_t i = length; i > length - 2 && header[i - 1] == '='; i--)
		decoded_length--;
	memcpy(out, decoded, (size_t) decoded_length);
	out[decoded_length] = '\0';
	explicit_bzero(decoded, sizeof(decoded));
	colon = strchr(out, ':');
	/* With an empty password, libpq would look for one in a file. */
	if (colon == NULL || colon == out || colon[1] == '\0' ||
		strlen(out) != (size_t) decoded_length)
		return NULL;
	*colon = '\0';
	return colon + 1;
}

static SessionVerdict
sign_in(const char *role, const char *password, DatabaseConnection **connection)
{
	char				error[512];
	DatabaseConnection *opened = database_sign_in(gateway_options.conninfo, role,
												  password, error, sizeof(error));
	PGresult		   *result;
	bool				done;

	*connection = opened;
	if (opened == NULL)
	{
		gateway_log("console: %s", error);
		return database_answers(gateway_options.conninfo) ? SESSION_REFUSED :
															SESSION_UNAVAILABLE;
	}
	if (password != NULL && !PQconnectionUsedPassword((*connection)->pgconn))
	{
		database_release(*connection);
		return SESSION_UNCHECKED;
	}
	result = database_query(*connection, &settings_statement, NULL);
	done = PQresultStatus(result) == PGRES_TUPLES_OK;
	PQclear(result);
	if (!done)
		database_release(*connection);
	return done ? SESSION_OPEN : SESSION_UNAVAILABLE;
}

SessionVerdict
console_session_begin(const Request *request, DatabaseConnection **connection)
{
	const char	  *header = request_header(request, "Authorization");
	char		   credentials[MAX_CREDENTIALS + 1];
	char		  *password = NULL;
	SessionVerdict verdict;

	if (!gateway_options.no_auth)
	{
		if (!is_protected(request))
			return SESSION_UNPROTECTED;
		if (header == NULL)
			return SESSION_WANTED;
	}
	if (!start_running(request))
		return SESSION_BUSY;
	if (gateway_options.no_auth)
		verdict = sign_in(NULL, NULL, connection);
	else if ((password = decode_credentials(header, credentials)) != NULL)
		verdict = sign_in(credentials, password, connection);
	else
		verdict = SESSION_REFUSED;
	explicit_bzero(credentials, sizeof(credentials));
	if (verdict == SESSION_REFUSED)
		sleep(PENALTY);
	if (verdict != SESSION_OPEN)
		stop_running(request);
	return verdict;
}

void
console_session_end(const Request *request, DatabaseConnection *connection)
{
	database_release(connection);
	stop_running(request);
}
