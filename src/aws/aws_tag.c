/*
 * aws_tag.c
 *	  The operations of aws() on the tags of event source mappings: Lambda's.
 *
 * Tags are kept for their owner, and mean nothing here.  A mapping's ARN reads
 * arn:aws:lambda:<region>:<account>:event-source-mapping:<uuid>; region and
 * account are not looked at.  Functions have no tags: their ARNs are those of
 * no resource.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "aws/aws_mapping.h"
#include "aws/aws_response.h"
#include "aws/aws_tag.h"
#include "base/errors.h"
#include "mapping/mapping_catalog.h"
#include "mapping/mapping_change.h"
#include "mapping/mapping_params.h"

#define MAX_ARN		 10000
#define MAPPING_MARK ":event-source-mapping:"

static char *
resource_member(AwsRequest *request)
{
	return aws_request_string(request, "Resource", AWS_REQUIRED, 1, MAX_ARN);
}

/* Returns the uuid in the ARN of a mapping. */
static pg_uuid_t *
uuid_in_arn(AwsRequest *request, const char *arn)
{
	const char *mark = strstr(arn, MAPPING_MARK);

	if (strncmp(arn, "arn:", 4) != 0 || strstr(arn, ":lambda:") == NULL)
	{
		request->errors->name = AWS_ERROR_VALIDATION;
		error_constraint(arn, "resource",
						 "be the ARN of an event source mapping");
	}
	if (mark == NULL)
		mapping_catalog_not_found();
	return aws_mapping_parse_uuid(mark + strlen(MAPPING_MARK));
}

void
aws_tag_list(AwsRequest *request, StringInfo response)
{
	char		*arn = resource_member(request);
	MappingInfo *mapping;

	aws_request_check(request);
	mapping = mapping_change_find_mine(uuid_in_arn(request, arn));
	aws_response_name(response, "Tags");
	if (mapping->tags == NULL)
		appendStringInfoString(response, "{}");
	else
		(void) JsonbToCString(response, &mapping->tags->root, -1);
}

void
aws_tag_resource(AwsRequest *request, StringInfo response)
{
	char		*arn = resource_member(request);
	Jsonb		*tags = aws_request_jsonb(request, "Tags");
	MappingInfo *mapping;

	if (tags == NULL)
		(void) aws_request_object(request, "Tags", AWS_REQUIRED);
	aws_request_check(request);
	mapping = mapping_change_begin_update(uuid_in_arn(request, arn));
	if (mapping->tags != NULL)
		tags = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
												  JsonbPGetDatum(mapping->tags),
												  JsonbPGetDatum(tags)));
	mapping_params_set_tags(mapping, tags);
	mapping_catalog_write_tags(mapping);
}

void
aws_tag_untag_resource(AwsRequest *request, StringInfo response)
{
	char		*arn = resource_member(request);
	int			 count;
	char	   **keys = aws_request_strings(request, "TagKeys", &count);
	MappingInfo *mapping;
	Jsonb		*tags;

	if (keys == NULL)
		(void) aws_request_string(request, "TagKeys", AWS_REQUIRED, 0, 0);
	aws_request_check(request);
	mapping = mapping_change_begin_update(uuid_in_arn(request, arn));
	tags = mapping->tags;
	if (tags == NULL)
		return;
	for (int i = 0; i < count; i++)
		tags = DatumGetJsonbP(DirectFunctionCall2(jsonb_delete,
												  JsonbPGetDatum(tags),
												  CStringGetTextDatum(keys[i])));
	mapping_params_set_tags(mapping, tags);
	mapping_catalog_write_tags(mapping);
}
