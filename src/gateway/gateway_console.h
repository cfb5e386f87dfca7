/*
 * gateway_console.h
 *	  The console: a page in a browser.
 */
#ifndef DDBSTREAMS_GATEWAY_CONSOLE_H
#define DDBSTREAMS_GATEWAY_CONSOLE_H

#include "gateway/http_request.h"

/*
 * Answers /console and every path below it, whatever the method.  It is called
 * by a worker thread, holds no place of a pool, and may wait for a server.
 */
extern void console_answer(Request *request);

#endif /* DDBSTREAMS_GATEWAY_CONSOLE_H */
