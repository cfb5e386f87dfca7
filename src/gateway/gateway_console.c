/*
 * gateway_console.c
 *	  The console: a page in a browser.
 */
#include "gateway/answer.h"
#include "gateway/gateway_console.h"

void
console_answer(Request *request)
{
	answer_not_found(request);
}
