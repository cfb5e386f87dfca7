/*
 * client_wait.c
 *	  Not waiting for the client while others wait for this process.
 *
 * A message for the client is sent at once, and a client that does not read
 * holds up the process that sends it.  An error is sent before its
 * transaction is rolled back, and by then no signal ends the process: what it
 * holds it would hold for as long as the client likes.  Any role can have
 * messages sent: by client_min_messages, trace_notify or debug_print_plan, and
 * by errors.
 *
 * So PostgreSQL's methods of sending are replaced meanwhile by those that
 * never wait, which it has for its own replication.  What is kept is sent with
 * the next message after that.
 */
#include "postgres.h"

/* A server's package for developers does not bring their headers. */
#undef ENABLE_GSS
#undef USE_OPENSSL
#include "libpq/libpq.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"

#include "base/client_wait.h"

static const PQcommMethods *usual_methods; /* while they are replaced */
static PQcommMethods		waitless_methods;
static int					reasons;

static int
flush(void)
{
	return usual_methods->flush_if_writable();
}

/* It calls putmessage itself, with as much memory as that needs. */
static void
putmessage_noblock(char type, const char *message, size_t length)
{
	PqCommMethods = usual_methods;
	usual_methods->putmessage_noblock(type, message, length);
	PqCommMethods = &waitless_methods;
}

static int
putmessage(char type, const char *message, size_t length)
{
	putmessage_noblock(type, message, length);
	return 0;
}

void
client_wait_forbid(ClientWaitReason reason)
{
	/* Background workers have no client. */
	if (MyProcPort == NULL || whereToSendOutput != DestRemote)
		return;
	if (reasons == 0)
	{
		usual_methods = PqCommMethods;
		waitless_methods = *usual_methods;
		waitless_methods.flush = flush;
		waitless_methods.putmessage = putmessage;
		waitless_methods.putmessage_noblock = putmessage_noblock;
		PqCommMethods = &waitless_methods;
	}
	reasons |= reason;
}

void
client_wait_allow(ClientWaitReason reason)
{
	if ((reasons & reason) == 0)
		return;
	reasons &= ~reason;
	if (reasons == 0)
		PqCommMethods = usual_methods;
}
