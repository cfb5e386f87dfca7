/*
 * catalog_version.h
 *	  Whether the catalogue of this database is the one that the library knows.
 */
#ifndef DDBSTREAMS_CATALOG_VERSION_H
#define DDBSTREAMS_CATALOG_VERSION_H

#include "base/ddbstreams.h"

#include "nodes/nodes.h"

/*
 * Is the extension's version the library's?  False, too, if this database
 * lacks the extension, and while a script of the extension is running.
 */
extern bool catalog_version_is_known(void);

/*
 * Raises an error if the extension has another version than the library.  In a
 * script of the extension, and if this database lacks the extension, there is
 * nothing to check.
 */
extern void catalog_version_check(void);

/*
 * Does a utility command update the extension?  Behind such a command
 * catalog_version_changed refuses a version that is newer than the library,
 * and tells all sessions to look at the version again.
 */
extern bool catalog_version_is_changed_by(Node *command);
extern void catalog_version_changed(void);

/* Forgets the version that this transaction's update has led to, if any. */
extern void catalog_version_rolled_back(void);

extern void catalog_version_end_transaction(void);

#endif /* DDBSTREAMS_CATALOG_VERSION_H */
