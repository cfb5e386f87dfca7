/*
 * sequence_number.h
 *	  Sequence numbers as texts.
 */
#ifndef DDBSTREAMS_SEQUENCE_NUMBER_H
#define DDBSTREAMS_SEQUENCE_NUMBER_H

#include "base/ddbstreams.h"

extern char *sequence_number_text(int64 number);
extern void	 sequence_number_write(int64 number, char *out);
extern int64 sequence_number_parse(const char *text);

#endif /* DDBSTREAMS_SEQUENCE_NUMBER_H */
