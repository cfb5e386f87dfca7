# ddbstreams: built the PGXS way.
#
#   make, make install      build and install for $(PG_CONFIG)
#   make installcheck       pg_regress and isolation specs in a running server
#                           that has shared_preload_libraries = 'ddbstreams'
#   make prove              TAP tests; they start servers of their own
#   make format             lay out src/ with clang-format 23 (PyPI has it)
#   make reference          make docs/reference.md from the COMMENTs
#
# test/check does all of it in private servers.

EXTENSION = ddbstreams
MODULE_big = ddbstreams

# The folder of this Makefile.  A build in another folder names both:
# make -f .../Makefile VPATH=...  (The source tree must have no objects then.)
HERE := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

SOURCES = $(sort $(wildcard $(HERE)/src/*/*.c))
OWN_HEADERS = $(wildcard $(HERE)/src/*/*.h)
OBJS = $(patsubst $(HERE)/%.c,%.o,$(SOURCES))
PG_CPPFLAGS = -I$(HERE)/src
ifeq ($(OBJS),)
$(error there are no sources in $(HERE)/src)
endif

# What PostgreSQL looks up in the library; everything else is hidden.
SHLIB_EXPORTS = src/exports.txt

# sql/ has the install script, and what updates one version to the next.
DATA = $(patsubst $(HERE)/%,%,$(wildcard $(HERE)/sql/*--*.sql))
DOCS = $(patsubst $(HERE)/%,%,$(wildcard $(HERE)/README.md $(HERE)/docs/*.md))

# The test that creates the extension comes first.
TESTS = $(sort $(patsubst $(HERE)/test/sql/%.sql,%,$(wildcard $(HERE)/test/sql/*.sql)))
REGRESS = $(filter extension,$(TESTS)) $(filter-out extension,$(TESTS))
REGRESS_OPTS = --inputdir=$(HERE)/test

ISOLATION = $(sort $(patsubst $(HERE)/test/isolation/specs/%.spec,%,$(wildcard $(HERE)/test/isolation/specs/*.spec)))
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

EXTRA_CLEAN = results regression.diffs regression.out output_iso tmp_check

PG_CONFIG = pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Other extensions have a README.md, too.
docmoduledir := $(docmoduledir)/$(EXTENSION)

$(OBJS): $(OWN_HEADERS)

# PGXS makes no folders for objects.  A rule for them would find those of the
# sources by VPATH, and make none.
$(shell mkdir -p $(sort $(dir $(OBJS))))

.PHONY: prove format reference
prove: PROVE_TESTS = test/t/*.pl
prove: PG_PROVE_FLAGS += -I $(srcdir)/test/t
prove:
	echo "shared_preload_libraries = 'ddbstreams'" > prove.conf
	( export TEMP_CONFIG="$${TEMP_CONFIG:-$(CURDIR)/prove.conf}"; $(prove_installcheck) ); \
	status=$$?; rm -f prove.conf; exit $$status

format:
	clang-format -i $(SOURCES) $(OWN_HEADERS)

reference:
	PG_CONFIG=$(PG_CONFIG) $(HERE)/test/make-reference
