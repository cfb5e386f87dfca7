/*
 * aws_record.h
 *	  A record as AWS writes it.
 */
#ifndef AWS_RECORD_H
#define AWS_RECORD_H

#include "ddbstreams.h"

#include "lib/stringinfo.h"
#include "record_page.h"

extern void aws_append_record(StringInfo buf, RecordPage *page);
extern void aws_append_record_members(StringInfo buf, RecordPage *page);

#endif /* AWS_RECORD_H */
