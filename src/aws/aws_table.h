/*
 * aws_table.h
 *	  The operations of aws() on tables.
 *
 * Each is an AwsOperation (aws.c).
 */
#ifndef DDBSTREAMS_AWS_TABLE_H
#define DDBSTREAMS_AWS_TABLE_H

#include "base/ddbstreams.h"

#include "lib/stringinfo.h"

#include "aws/aws_request.h"

extern void aws_table_describe(AwsRequest *request, StringInfo response);
extern void aws_table_list(AwsRequest *request, StringInfo response);
extern void aws_table_update(AwsRequest *request, StringInfo response);

#endif /* DDBSTREAMS_AWS_TABLE_H */
