/*
 * aws_table_name.h
 *	  Finding the table that a member of a request names.
 */
#ifndef DDBSTREAMS_AWS_TABLE_NAME_H
#define DDBSTREAMS_AWS_TABLE_NAME_H

#include "base/ddbstreams.h"

#include "aws/aws_request.h"

/* Reads a member that names a table. */
extern char *aws_table_name_member(AwsRequest *request, const char *name,
								   AwsPresence presence);

/*
 * Returns the name in a member that is a table's name or ARN: its end, not
 * copied.  A text that begins like an ARN and is none of a table is an error.
 */
extern const char *aws_table_name_or_arn(const char *member);

/* Returns the relation of that name, of any kind, or InvalidOid. */
extern Oid aws_table_name_find(const char *table_name);

/* The same; it is an error if the current user may not SELECT from it. */
extern Oid aws_table_name_readable(const char *table_name);

/*
 * Could table_name mean the table that is called full_name in an ARN?  For
 * tables that are dropped.
 */
extern bool aws_table_name_is_of(const char *table_name,
								 const char *full_name);

extern void aws_table_name_not_found(const char *table_name)
	pg_attribute_noreturn();

#endif /* DDBSTREAMS_AWS_TABLE_NAME_H */
