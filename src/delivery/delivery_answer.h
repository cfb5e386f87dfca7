/*
 * delivery_answer.h
 *	  Understanding a handler's answer.
 */
#ifndef DDBSTREAMS_DELIVERY_ANSWER_H
#define DDBSTREAMS_DELIVERY_ANSWER_H

#include "base/ddbstreams.h"

#include "utils/jsonb.h"

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

#endif /* DDBSTREAMS_DELIVERY_ANSWER_H */
