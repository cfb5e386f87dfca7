/*
 * aws_operation.h
 *	  The operations of aws().
 *
 * An operation reads its request and appends the members of its response.
 */
#ifndef DDBSTREAMS_AWS_OPERATION_H
#define DDBSTREAMS_AWS_OPERATION_H

#include "base/ddbstreams.h"

#include "aws/aws_request.h"
#include "mapping/mapping_catalog.h"
#include "lib/stringinfo.h"

typedef void (*AwsOperation)(AwsRequest *request, StringInfo response);

#endif /* DDBSTREAMS_AWS_OPERATION_H */
