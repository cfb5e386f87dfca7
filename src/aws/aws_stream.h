/*
 * aws_stream.h
 *	  The operations of aws() on streams.
 *
 * Each is an AwsOperation (aws.c).
 */
#ifndef DDBSTREAMS_AWS_STREAM_H
#define DDBSTREAMS_AWS_STREAM_H

#include "base/ddbstreams.h"

#include "lib/stringinfo.h"

#include "aws/aws_request.h"

extern void aws_stream_list(AwsRequest *request, StringInfo response);
extern void aws_stream_describe(AwsRequest *request, StringInfo response);
extern void aws_stream_get_shard_iterator(AwsRequest *request,
										  StringInfo  response);
extern void aws_stream_get_records(AwsRequest *request, StringInfo response);

#endif /* DDBSTREAMS_AWS_STREAM_H */
