/*
 * view_type.h
 *	  What a stream's records hold of a row: AWS's StreamViewType.
 */
#ifndef DDBSTREAMS_VIEW_TYPE_H
#define DDBSTREAMS_VIEW_TYPE_H

#include "base/ddbstreams.h"

typedef enum StreamViewType
{
	VIEW_KEYS_ONLY,
	VIEW_NEW_IMAGE,
	VIEW_OLD_IMAGE,
	VIEW_NEW_AND_OLD_IMAGES
} StreamViewType;

#define VIEW_HAS_NEW(view) \
	((view) == VIEW_NEW_IMAGE || (view) == VIEW_NEW_AND_OLD_IMAGES)
#define VIEW_HAS_OLD(view) \
	((view) == VIEW_OLD_IMAGE || (view) == VIEW_NEW_AND_OLD_IMAGES)

/* Returns AWS's name of a view type, a constant. */
extern const char *view_type_name(StreamViewType view_type);

/* Finds the view type of that name; returns false if there is none. */
extern bool view_type_parse(const char *name, StreamViewType *view_type);

#endif /* DDBSTREAMS_VIEW_TYPE_H */
