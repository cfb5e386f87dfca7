/*
 * console_session.h
 *	  Who uses the console: a role of PostgreSQL, by its password.
 */
#ifndef DDBSTREAMS_CONSOLE_SESSION_H
#define DDBSTREAMS_CONSOLE_SESSION_H

#include "gateway/http_request.h"

typedef enum SessionVerdict
{
	SESSION_OPEN,
	SESSION_WANTED,		 /* the request names no role */
	SESSION_REFUSED,	 /* PostgreSQL does not let the role in */
	SESSION_UNPROTECTED, /* the password could be read on its way */
	SESSION_UNCHECKED,	 /* PostgreSQL has not looked at the password */
	SESSION_BUSY,		 /* too many requests run */
	SESSION_UNAVAILABLE	 /* the database does not answer */
} SessionVerdict;

/*
 * Opens a connection for a request: as the role that it names, or as
 * conninfo's user with --no-auth.  It ends with console_session_end.
 */
extern SessionVerdict console_session_begin(const Request		*request,
											DatabaseConnection **connection);

extern void console_session_end(const Request *request, DatabaseConnection *connection);

#endif /* DDBSTREAMS_CONSOLE_SESSION_H */
