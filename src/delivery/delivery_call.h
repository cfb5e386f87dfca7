/*
 * delivery_call.h
 *	  Calling a handler, and understanding its answer.
 */
#ifndef DELIVERY_CALL_H
#define DELIVERY_CALL_H

#include "base/ddbstreams.h"

#include "mapping/mapping.h"

extern void	  delivery_call_init(void);
extern Oid	  delivery_call_find(const char *name, MappingFunctionUse use);
extern Jsonb *delivery_call(Oid function, Jsonb *argument);
extern void	  delivery_call_end(void);
extern char	 *delivery_call_error_text(const ErrorData *error);

extern Jsonb *delivery_call_json(const char *text);

/* delivery_answer.c */
typedef enum AnswerKind
{
	ANSWER_SUCCESS,
	ANSWER_ITEM_FAILED, /* from record number first_failed on */
	ANSWER_BATCH_FAILED
} AnswerKind;

typedef struct DeliveryAnswer
{
	AnswerKind	kind;
	int			first_failed;
	const char *problem; /* why the whole batch has failed */
	Jsonb	   *state;	 /* of a tumbling window; NULL if the answer has none */
} DeliveryAnswer;

extern DeliveryAnswer delivery_answer_read(Jsonb *answer, bool reports_failures,
										   const int64 *numbers, int count);

#endif /* DELIVERY_CALL_H */
