/*
 * aws_operation.h
 *	  The operations of aws().
 *
 * An operation reads its request and appends the members of its response.
 */
#ifndef AWS_OPERATION_H
#define AWS_OPERATION_H

#include "base/ddbstreams.h"

#include "aws/aws_request.h"
#include "lib/stringinfo.h"

typedef void (*AwsOperation)(AwsRequest *request, StringInfo response);

/* aws_stream.c */
extern void aws_stream_list(AwsRequest *request, StringInfo response);
extern void aws_stream_describe(AwsRequest *request, StringInfo response);
extern void aws_stream_get_shard_iterator(AwsRequest *request,
										  StringInfo  response);
extern void aws_stream_get_records(AwsRequest *request, StringInfo response);

/* aws_table.c */
extern void aws_table_describe(AwsRequest *request, StringInfo response);
extern void aws_table_list(AwsRequest *request, StringInfo response);
extern void aws_table_update(AwsRequest *request, StringInfo response);

/* aws_mapping.c */
extern void aws_mapping_create(AwsRequest *request, StringInfo response);
extern void aws_mapping_get(AwsRequest *request, StringInfo response);
extern void aws_mapping_list(AwsRequest *request, StringInfo response);
extern void aws_mapping_update(AwsRequest *request, StringInfo response);
extern void aws_mapping_delete(AwsRequest *request, StringInfo response);

#endif /* AWS_OPERATION_H */
