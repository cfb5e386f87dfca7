/*
 * aws_mapping.h
 *	  The operations of aws() on event source mappings: Lambda's.
 *
 * Each is an AwsOperation (aws.c).
 */
#ifndef DDBSTREAMS_AWS_MAPPING_H
#define DDBSTREAMS_AWS_MAPPING_H

#include "base/ddbstreams.h"

#include "lib/stringinfo.h"
#include "utils/uuid.h"

#include "aws/aws_request.h"

extern void aws_mapping_create(AwsRequest *request, StringInfo response);
extern void aws_mapping_get(AwsRequest *request, StringInfo response);
extern void aws_mapping_list(AwsRequest *request, StringInfo response);
extern void aws_mapping_update(AwsRequest *request, StringInfo response);
extern void aws_mapping_delete(AwsRequest *request, StringInfo response);

/* Reads a uuid; a text of another form is the uuid of no mapping. */
extern pg_uuid_t *aws_mapping_parse_uuid(const char *text);

#endif /* DDBSTREAMS_AWS_MAPPING_H */
