/*
 * answer.h
 *	  Answers: the forms and statuses of AWS's protocols.
 *
 * Each function here makes the response of a request, and sets what metrics
 * and the log tell of it.  None of them sends anything: http_server.c does.
 */
#ifndef DDBSTREAMS_ANSWER_H
#define DDBSTREAMS_ANSWER_H

#include "gateway/http_request.h"
#include "gateway/text_buffer.h"

/*
 * Is there room for an answer that is the first value of a result?  If not,
 * because the role's clients have not read others, it is logged.
 */
extern bool answer_has_room(const Request *request, const PGresult *result);

/*
 * Makes a response of the first value of a result, whose memory becomes the
 * response's.  If there is no memory it returns NULL, and clears the result.
 */
extern struct MHD_Response *answer_response_of(const Request *request,
											   PGresult		 *result);

/*
 * The answer of an operation: the first value of a result, whose memory
 * becomes the response's; nothing if the status is that of no content.  The
 * result must not be used after that.
 */
extern void answer_result(Request *request, unsigned status, PGresult *result);

/*
 * An error of AWS by its name, as "ValidationException".  The text is taken as
 * it is if JSON needs no escapes in it; other characters are replaced.  NULL:
 * none, or the usual one of an InternalServerError.
 */
extern void answer_error(Request *request, const char *name, const char *text);

/*
 * Is an error of this name answered as an InternalServerError (of Lambda: a
 * ServiceException)?  Any name is that has no form of its own.
 */
extern bool answer_is_internal(const char *name);

/* The same as answer_error with any text: connection makes the JSON. */
extern void answer_error_by(Request *request, DatabaseConnection *connection,
							const char *name, const char *text);

/* A text, which is copied, with a status and a type. */
extern void answer_text(Request *request, unsigned status,
						const char *content_type, const char *text,
						size_t length);

/* The same with the memory of the text: release is called when it is sent. */
extern void answer_own_text(Request *request, unsigned status,
							const char *content_type, TextBuffer *text,
							void (*release)(void *text));

/* The same with a status of HTTP alone, where a request is not even AWS's. */
extern void answer_bad_request(Request *request, unsigned status,
							   const char *text);

/* What DynamoDB says to what it does not take for a request */
extern void answer_not_found(Request *request);

/* Adds a header to the answer that has been made. */
extern void answer_header(Request *request, const char *name,
						  const char *value);

#endif /* DDBSTREAMS_ANSWER_H */
