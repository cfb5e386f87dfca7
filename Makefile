# ddbstreams: built the PGXS way.
#
#   make, make install      build and install for $(PG_CONFIG)
#   make installcheck       pg_regress and isolation specs in a running server
#                           that has shared_preload_libraries = 'ddbstreams';
#                           with max_prepared_transactions all of the specs
#   make prove              TAP tests; they start servers of their own
#   make format             lay out src/ with clang-format 23 (PyPI has it)
#   make reference          make docs/reference.md from the COMMENTs
#   make coverage           tell which lines and functions the tests reach:
#                           "make coverage SUITES='regress isolation'"
#   make update-script      copy functions and COMMENTs to the update script
#   make gateway            build ddbstreams-gateway; it needs the headers of
#                           libpq, libmicrohttpd and OpenSSL.  "make install"
#                           installs it if it is there.
#
# test/check does all of it in private servers.

EXTENSION = ddbstreams
MODULE_big = ddbstreams

# The folder of this Makefile.  A build in another folder names both:
# make -f .../Makefile VPATH=...  (The source tree must have no objects then.)
HERE := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

# src/gateway is a program of its own: see below.
GATEWAY_SOURCES = $(sort $(wildcard $(HERE)/src/gateway/*.c))
SOURCES = $(filter-out $(GATEWAY_SOURCES),$(sort $(wildcard $(HERE)/src/*/*.c)))
OWN_HEADERS = $(filter-out $(HERE)/src/gateway/%,$(wildcard $(HERE)/src/*/*.h))
OBJS = $(patsubst $(HERE)/%.c,%.o,$(SOURCES))
# The library refuses a catalogue that is not of its own version.
EXTENSION_VERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(HERE)/ddbstreams.control)
PG_CPPFLAGS = -I$(HERE)/src -DDDBSTREAMS_VERSION='"$(EXTENSION_VERSION)"'
ifeq ($(OBJS),)
$(error there are no sources in $(HERE)/src)
endif

# What PostgreSQL looks up in the library; everything else is hidden.
SHLIB_EXPORTS = src/exports.txt

# sql/ has the install script, and what updates one version to the next.
DATA = $(patsubst $(HERE)/%,%,$(wildcard $(HERE)/sql/*--*.sql))

# The test that creates the extension comes first.
TESTS = $(sort $(patsubst $(HERE)/test/sql/%.sql,%,$(wildcard $(HERE)/test/sql/*.sql)))
REGRESS = $(filter extension,$(TESTS)) $(filter-out extension,$(TESTS))
REGRESS_OPTS = --inputdir=$(HERE)/test

# A server with PostgreSQL's defaults knows no prepared transactions; specs with
# these are left out there.  The server is asked when the specs are run.
SPECS = $(sort $(wildcard $(HERE)/test/isolation/specs/*.spec))
LEFT_OUT = $(if $(filter 0,$(shell $(bindir)/psql -X -A -t -d postgres \
	-c 'SHOW max_prepared_transactions' 2>/dev/null)),$(shell grep -l 'PREPARE TRANSACTION' $(SPECS)))
ISOLATION = $(patsubst $(HERE)/test/isolation/specs/%.spec,%,$(filter-out $(LEFT_OUT),$(SPECS)))
ISOLATION_OPTS = --inputdir=$(HERE)/test/isolation --load-extension=ddbstreams

# PostgreSQL's own headers do not pass these two warnings of -Wextra.
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers
# PostgreSQL was configured with gcc: options and attributes that clang lacks.
ifneq ($(findstring clang,$(CC)),)
PG_CFLAGS += -Wno-ignored-optimization-argument -Wno-unknown-warning-option \
	-Wno-ignored-attributes
endif
# Records are decoded across many small files: link-time optimization is worth
# a tenth of the reading time. "make OPTIMIZE=-O0" is for debuggers.
ifeq ($(findstring clang,$(CC)),)
OPTIMIZE ?= -O3 -fno-semantic-interposition -flto=auto
else
OPTIMIZE ?= -O3
endif
PG_CFLAGS += $(OPTIMIZE)
ifeq ($(WERROR),1)
PG_CFLAGS += -Werror
endif

# Bitcode for inlining would make every user need clang and gains nothing here.
override with_llvm = no

EXTRA_CLEAN = ddbstreams-gateway src/gateway/*.o src/gateway/console_files.inc results regression.diffs regression.out output_iso tmp_check

PG_CONFIG = pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(OBJS): $(OWN_HEADERS)
src/registry/catalog_version.o: $(HERE)/ddbstreams.control

# PGXS makes no folders for objects.  A rule for them would find those of the
# sources by VPATH, and make none.
$(shell mkdir -p $(sort $(dir $(OBJS))) src/gateway)

# --- ddbstreams-gateway, a program that is linked with nothing of the server's

GATEWAY = ddbstreams-gateway
GATEWAY_OBJS = $(patsubst $(HERE)/%.c,%.o,$(GATEWAY_SOURCES))
GATEWAY_CPPFLAGS = -I$(HERE)/src -Isrc -I$(shell $(PG_CONFIG) --includedir) \
	-DGATEWAY_VERSION='"$(EXTENSION_VERSION)"' -D_FORTIFY_SOURCE=2
GATEWAY_OPTIMIZE ?= -O2
GATEWAY_CFLAGS = -g $(GATEWAY_OPTIMIZE) -Wall -Wextra -fPIE -fstack-protector-strong -pthread
ifeq ($(WERROR),1)
GATEWAY_CFLAGS += -Werror
endif
GATEWAY_LDFLAGS = -pie -pthread -Wl,-z,relro,-z,now -L$(shell $(PG_CONFIG) --libdir)
GATEWAY_LIBS = -lpq -lmicrohttpd -lcrypto
mandir ?= $(shell $(PG_CONFIG) --mandir)
systemdunitdir ?= /usr/lib/systemd/system

.PHONY: gateway install-gateway uninstall-gateway clean-gateway
gateway: $(GATEWAY)

$(GATEWAY): $(GATEWAY_OBJS)
	$(CC) $(GATEWAY_CFLAGS) $(GATEWAY_LDFLAGS) -o $@ $^ $(GATEWAY_LIBS)

$(GATEWAY_OBJS): src/gateway/%.o: $(HERE)/src/gateway/%.c $(wildcard $(HERE)/src/gateway/*.h)
	$(CC) $(GATEWAY_CPPFLAGS) $(GATEWAY_CFLAGS) -c -o $@ $<

# The files of the console as bytes of the program
CONSOLE_FILES = $(sort $(wildcard $(HERE)/src/gateway/console/*.*))

src/gateway/console_files.o: src/gateway/console_files.inc
src/gateway/console_files.inc: $(CONSOLE_FILES)
	{ for file in $^; do name=$${file##*/}; \
		echo "static const char file_$${name%.*}_$${name##*.}[] = {"; \
		od -An -v -to1 $$file | sed "s/[0-7][0-7]*/'\\\\&',/g"; \
		echo "0};"; done; \
	echo "static const ConsoleFile files[] = {"; \
	for file in $^; do name=$${file##*/}; id=file_$${name%.*}_$${name##*.}; \
		echo "{\"$$name\", $$id, sizeof($$id) - 1},"; done; \
	echo "};"; } >$@

# --- the pages, which link to one another, and so lie as in the sources

PAGES = $(shell cd $(HERE) && find README.md CHANGELOG.md CONTRIBUTING.md LICENSE SECURITY.md \
	docs examples monitoring -type f)
pagesdir = $(DESTDIR)$(docdir)/$(docmoduledir)/$(EXTENSION)

.PHONY: install-pages uninstall-pages
install: install-pages
uninstall: uninstall-pages

install-pages:
	@for page in $(PAGES); do \
		$(MKDIR_P) "$(pagesdir)/$$(dirname $$page)"; \
		if [ -x $(HERE)/$$page ]; then install='$(INSTALL_SCRIPT)'; \
		else install='$(INSTALL_DATA)'; fi; \
		$$install $(HERE)/$$page "$(pagesdir)/$$page" || exit; \
	done

uninstall-pages:
	rm -rf '$(pagesdir)'

ifneq ($(wildcard $(GATEWAY)),)
install: install-gateway
uninstall: uninstall-gateway
endif

install-gateway:
	$(MKDIR_P) '$(DESTDIR)$(bindir)' '$(DESTDIR)$(mandir)/man1' '$(DESTDIR)$(systemdunitdir)'
	$(INSTALL_PROGRAM) $(GATEWAY) '$(DESTDIR)$(bindir)/$(GATEWAY)'
	$(INSTALL_DATA) $(HERE)/src/gateway/$(GATEWAY).1 '$(DESTDIR)$(mandir)/man1/$(GATEWAY).1'
	sed 's|@bindir@|$(bindir)|' $(HERE)/src/gateway/$(GATEWAY).service.in >'$(DESTDIR)$(systemdunitdir)/$(GATEWAY).service'

uninstall-gateway:
	rm -f '$(DESTDIR)$(bindir)/$(GATEWAY)' '$(DESTDIR)$(mandir)/man1/$(GATEWAY).1' \
		'$(DESTDIR)$(systemdunitdir)/$(GATEWAY).service'

clean-gateway:
	rm -f $(GATEWAY) src/gateway/*.o src/gateway/console_files.inc

.PHONY: prove format reference coverage update-script
prove: PROVE_TESTS = test/t/*.pl
prove: PG_PROVE_FLAGS += -I $(srcdir)/test/t
prove:
	echo "shared_preload_libraries = 'ddbstreams'" > prove.conf
	( export TEMP_CONFIG="$${TEMP_CONFIG:-$(CURDIR)/prove.conf}"; $(prove_installcheck) ); \
	status=$$?; rm -f prove.conf; exit $$status

format:
	clang-format -i $(SOURCES) $(GATEWAY_SOURCES) $(wildcard $(HERE)/src/*/*.h)

coverage:
	PG_CONFIG=$(PG_CONFIG) $(HERE)/test/coverage $(SUITES)

update-script:
	$(HERE)/test/make-update

reference:
	PG_CONFIG=$(PG_CONFIG) $(HERE)/test/make-reference
