/*
 * aws_table_name.h
 *	  Finding the table that a member of AWS's names.
 */
#ifndef DDBSTREAMS_AWS_TABLE_NAME_H
#define DDBSTREAMS_AWS_TABLE_NAME_H

#include "base/ddbstreams.h"

#include "aws/aws_request.h"

extern char *aws_table_name_member(AwsRequest *request, const char *name,
								   AwsPresence presence);
extern Oid	 aws_table_name_find(const char *table_name);
extern bool	 aws_table_name_is_of(const char *table_name,
								  const char *full_name);
extern Oid	 aws_table_name_readable(const char *table_name);
extern void	 aws_table_name_not_found(const char *table_name)
	pg_attribute_noreturn();

#endif /* DDBSTREAMS_AWS_TABLE_NAME_H */
