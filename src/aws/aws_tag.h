/*
 * aws_tag.h
 *	  The operations of aws() on the tags of event source mappings: Lambda's.
 *
 * Each is an AwsOperation (aws.c).
 */
#ifndef DDBSTREAMS_AWS_TAG_H
#define DDBSTREAMS_AWS_TAG_H

#include "base/ddbstreams.h"

#include "lib/stringinfo.h"

#include "aws/aws_request.h"

extern void aws_tag_list(AwsRequest *request, StringInfo response);
extern void aws_tag_resource(AwsRequest *request, StringInfo response);
extern void aws_tag_untag_resource(AwsRequest *request, StringInfo response);

#endif /* DDBSTREAMS_AWS_TAG_H */
