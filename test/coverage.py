#!/usr/bin/env python3
"""Count what gcov has seen of the sources: for test/coverage.

	test/coverage.py TREE				prints a table of the folders, and the
							functions that no test calls
	test/coverage.py --write FILE PAGE PARTS SERVER	puts such a table into a page
"""

import collections
import datetime
import glob
import json
import os
import re
import subprocess
import sys

BEGIN, END = '<!-- made by test/coverage --table -->', '<!-- up to here -->'


def read_counts(tree):
    """Return {file: {line: count}} and {file: {function: count}}."""
    lines = collections.defaultdict(dict)
    functions = collections.defaultdict(dict)
    for notes in sorted(glob.glob(tree + '/src/*/*.gcno')):
        out = subprocess.run(['gcov', '--json-format', '--stdout', notes], cwd=tree,
                             check=True, capture_output=True, text=True).stdout
        for document in out.splitlines():
            for file in json.loads(document)['files']:
                name = os.path.relpath(os.path.join(tree, file['file']), tree)
                if not name.startswith('src/'):
                    continue
                for line in file['lines']:
                    number = line['line_number']
                    lines[name][number] = lines[name].get(number, 0) + line['count']
                for function in file['functions']:
                    key = function['name']
                    functions[name][key] = (functions[name].get(key, 0)
                                            + function['execution_count'])
    return lines, functions


def share(hit, total):
    return '%.1f %%' % (100.0 * hit / total) if total else '-'


def print_table(tree):
    lines, functions = read_counts(tree)
    if not lines:
        sys.exit('there are no counts in ' + tree)
    print('| folder | lines | reached | functions | called |')
    print('| --- | ---: | ---: | ---: | ---: |')
    rows = collections.defaultdict(lambda: [0, 0, 0, 0])
    for name in lines:
        counts = lines[name].values()
        calls = {**functions.get(name, {})}.values()
        for row in (rows[name.split('/')[1]], rows['all']):
            row[0] += len(counts)
            row[1] += sum(1 for count in counts if count)
            row[2] += len(calls)
            row[3] += sum(1 for count in calls if count)
    for folder in sorted(rows, key=lambda folder: (folder == 'all', folder)):
        total, hit, count, called = rows[folder]
        print('| %s | %d | %s | %d | %s |'
              % (folder, total, share(hit, total), count, share(called, count)))
    print()
    for name in sorted(functions):
        unused = sorted(key for key, count in functions[name].items()
                        if not count and not key.startswith('pg_finfo_'))
        if unused:
            print('not called: %s: %s' % (name[len('src/'):], ', '.join(unused)))


def write_page(table, page, parts, server):
    with open(table) as file:
        rows = [line for line in file.read().splitlines() if line.startswith('|')]
    with open(page) as file:
        text = file.read()
    about = '%s, %s, %s:' % (parts, server, datetime.date.today())
    made = '\n'.join([BEGIN, about, ''] + rows + [END])
    text, count = re.subn(re.escape(BEGIN) + '.*?' + re.escape(END), lambda match: made,
                          text, flags=re.S)
    if count != 1:
        sys.exit('%s has no place for the table' % page)
    with open(page, 'w') as file:
        file.write(text)


if __name__ == '__main__':
    if sys.argv[1] == '--write':
        write_page(*sys.argv[2:])
    else:
        print_table(sys.argv[1])
