/*
 * view_type.c
 *	  What a stream's records hold of a row: AWS's StreamViewType.
 */
#include "postgres.h"

#include "registry/view_type.h"

static const char *const view_type_names[] = {
	[VIEW_KEYS_ONLY] = "KEYS_ONLY",
	[VIEW_NEW_IMAGE] = "NEW_IMAGE",
	[VIEW_OLD_IMAGE] = "OLD_IMAGE",
	[VIEW_NEW_AND_OLD_IMAGES] = "NEW_AND_OLD_IMAGES"};

const char *
view_type_name(StreamViewType view_type)
{
	return view_type_names[view_type];
}

bool
view_type_parse(const char *name, StreamViewType *view_type)
{
	for (Size i = 0; i < lengthof(view_type_names); i++)
	{
		if (strcmp(name, view_type_names[i]) == 0)
		{
			*view_type = (StreamViewType) i;
			return true;
		}
	}
	return false;
}
