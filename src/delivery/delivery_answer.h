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
	ANSWER_ITEM_FAILED, /* the records from first_failed on have failed */
	ANSWER_BATCH_FAILED
} AnswerKind;

typedef struct DeliveryAnswer
{
	AnswerKind	kind;
	int			first_failed; /* index of a record of the batch, from 0 */
	const char *problem;	  /* why the whole batch has failed, a literal */
	bool		is_unhandled; /* then: it counts as the function's error */
	Jsonb	   *state;		  /* of a tumbling window; NULL: there is none */
} DeliveryAnswer;

/*
 * Reads the answer, which may be NULL, to a batch of records with these rising
 * numbers.  reports_failures: batchItemFailures count.  What is returned may
 * point into the answer.
 */
extern DeliveryAnswer delivery_answer_read(Jsonb *answer, bool reports_failures,
										   const int64 *numbers, int count);

#endif /* DDBSTREAMS_DELIVERY_ANSWER_H */
