#!/usr/bin/python3
"""Filter patterns against a model of event-ruler, at random.

The model flattens a record into (path, value, array memberships), takes the
fields of a pattern in the order of their paths (dots first) and tries every leaf for each,
so long as all are in the same element of each array that they share.  That is
event-ruler's own algorithm; filter_match.c does it in another way.  Patterns
that are damaged at random must end in a clean error or a result.

To see it fail: test/mutations/run filter-absent-beside-present
filter-absent-from-one filter-always-decided filter-any-element
filter-numbers-as-text filter-object-is-leaf
filter-or-forgets.
"""

import decimal
import ipaddress
import itertools
import os
import random
import re
import subprocess
import sys

ROUNDS = int(os.environ.get('ROUNDS', 6))
CASES = 4000  # of a round

STRINGS = ['', 'a', 'ab', 'abc', 'A', 'Ab', 'é', 'É', 'ß', 'xÉ', '*', 'a*b', 'a\\b', 'b', 'ba', 'aXb', '10.0.0.1', '10.1.2.3', '::1', '1', 'null']
NUMBERS = ['0', '1', '1.0', '-3', '100', '100.0', '1e2', '0.5', '0.50', '12345678901234567890.5']
NAMES = ['a', 'b', 'a-', '']


class Number(str):
    """A number, which is its text."""


class Bag:
    """An operator: its JSON and what it says of a value."""

    def __init__(self, source, test, absent=False):
        self.source, self.test, self.absent = source, test, absent


def dump(value):
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, Bag):
        return dump(value.source)
    if isinstance(value, str):
        return '"%s"' % value.replace('\\', '\\\\').replace('"', '\\"')
    if isinstance(value, dict):
        return '{%s}' % ', '.join('%s: %s' % (dump(k), dump(v)) for k, v in value.items())
    if isinstance(value, list):
        return '[%s]' % ', '.join(map(dump, value))
    return {None: 'null', True: 'true', False: 'false'}[value]


# --- operators ---------------------------------------------------------------

def is_text(value):
    return isinstance(value, str) and not isinstance(value, Number)


def same(a, b):
    if isinstance(a, Number) and isinstance(b, Number):
        return decimal.Decimal(a) == decimal.Decimal(b)
    return type(a) is type(b) and a == b


def folded(pattern, text):
    return len(pattern) == len(text) and all(
        t in (p, p.lower(), p.upper()) for p, t in zip(pattern, text))


def wildcard(pattern, text):
    expression = ''
    characters = iter(pattern)
    for c in characters:
        expression += '.*' if c == '*' else re.escape(next(characters) if c == '\\' else c)
    return re.fullmatch(expression, text, re.S) is not None


def comparable(value):
    return isinstance(value, Number) and len(value) < 18


def within(value, network):
    try:
        return ipaddress.ip_address(value) in network
    except ValueError:
        return False


def some_string(empty=True):
    return random.choice(STRINGS if empty else STRINGS[1:])


def some_operator():
    kind = random.randrange(13)
    s = some_string()
    if kind == 0:
        return Bag({'prefix': s}, lambda v: is_text(v) and v.startswith(s))
    if kind == 1:
        return Bag({'suffix': s}, lambda v: is_text(v) and v.endswith(s))
    if kind == 2:
        return Bag({'equals-ignore-case': s}, lambda v: is_text(v) and folded(s, v))
    if kind == 3:
        return Bag({'prefix': {'equals-ignore-case': s}}, lambda v: is_text(v) and folded(s, v[:len(s)]))
    if kind == 4:
        return Bag({'suffix': {'equals-ignore-case': s}}, lambda v: is_text(v) and len(v) >= len(s) and folded(s, v[len(v) - len(s):]))
    if kind == 5:
        return Bag({'exists': True}, lambda v: True)
    if kind in (6, 7):
        return Bag({'exists': False}, lambda v: False, absent=True)
    if kind == 8:
        w = ''.join(random.choice(['a', 'b', 'X', '*', '\\*', '\\\\', 'É']) for _ in range(random.randrange(5)))
        w = re.sub(r'(?<!\\)\*+', '*', w) if '\\' not in w else w.replace('**', '*')
        while '**' in w:
            w = w.replace('**', '*')
        return Bag({'wildcard': w}, lambda v: is_text(v) and wildcard(w, v))
    if kind == 9:
        net = ipaddress.ip_network(random.choice(['10.0.0.0/8', '10.0.0.0/24', '0.0.0.0/0', '10.1.2.3/32', '::/0', '::1/128']))
        return Bag({'cidr': str(net)}, lambda v: is_text(v) and within(v, net))
    if kind == 10:
        n = Number(random.choice(NUMBERS[:-1]))
        op = random.choice(['=', '<', '<=', '>', '>='])
        compare = {'=': float.__eq__, '<': float.__lt__, '<=': float.__le__, '>': float.__gt__, '>=': float.__ge__}[op]
        return Bag({'numeric': [op, n]}, lambda v: comparable(v) and compare(float(v), float(n)))
    if kind == 11:
        numbers = [Number(random.choice(NUMBERS)) for _ in range(random.randint(1, 3))]
        return Bag({'anything-but': numbers}, lambda v: not any(same(v, n) for n in numbers))
    strings = [some_string(False) for _ in range(random.randint(1, 3))]
    name, test = random.choice([
        (None, lambda v, e: v == e), ('prefix', str.startswith), ('suffix', str.endswith),
        ('equals-ignore-case', lambda v, e: folded(e, v))])
    source = strings[:1][0] if random.random() < 0.3 else strings
    used = [source] if isinstance(source, str) else source
    return Bag({'anything-but': source if name is None else {name: source}},
               lambda v: not (is_text(v) and any(test(v, e) for e in used)))


def some_scalar():
    return random.choice([None, True, False, Number(random.choice(NUMBERS)),
                          some_string(), some_string(), some_string()])


# --- patterns and records ----------------------------------------------------

def some_values():
    values = [some_operator() if random.random() < 0.6 else some_scalar()
              for _ in range(random.choice([1, 1, 1, 2, 3]))]
    # mostly things that match, or little would be seen of arrays
    if random.random() < 0.6:
        values = [Bag({'exists': True}, lambda v: True)]
    return values


def some_pattern(depth, names):
    pattern = {}
    for name in random.sample(names, min(len(names), random.choice([1, 1, 1, 2, 2, 3]))):
        if depth > 0 and random.random() < 0.6:
            pattern[name] = some_pattern(depth - 1, NAMES + (['e', 'e.f'] if random.random() < 0.1 else []))
        else:
            pattern[name] = some_values()
    if depth > 0 and random.random() < 0.12:
        pattern['$or'] = [some_pattern(depth - 1, names) for _ in range(random.randint(2, 3))]
    return pattern


def pattern_of(content):
    """A pattern, or values, that the content may well match."""
    if isinstance(content, list):
        return pattern_of(random.choice(content)) if content else some_values()
    if isinstance(content, dict) and content:
        names = random.sample(sorted(content), min(len(content), random.choice([1, 2, 2, 3])))
        pattern = {name: pattern_of(content[name]) for name in names}
        if random.random() < 0.1:
            pattern['$or'] = [{random.choice(NAMES): some_values()}, {random.choice(NAMES): some_values()}]
        return pattern
    if random.random() < 0.5 and not isinstance(content, dict):
        return [content]
    return some_values()


def some_record(depth):
    record = {}
    for name in NAMES:
        if random.random() < 0.75:
            record[name] = some_content(depth)
    if random.random() < 0.3:
        # one path, written in two ways; not both at once
        if random.random() < 0.5:
            record['e.f'] = some_content(depth)
        else:
            record['e'] = {'f': some_content(depth)}
    return record


def some_content(depth):
    dice = random.random()
    if depth > 0 and dice < 0.35:
        return some_record(depth - 1)
    if depth > 0 and dice < 0.75:
        return [some_content(depth - 1 if random.random() < 0.9 else depth)
                for _ in range(random.choice([0, 1, 2, 2, 3]))]
    return some_scalar()


# --- the model ---------------------------------------------------------------

def flatten(value, path, memberships, leaves, arrays):
    if isinstance(value, dict):
        for name, child in value.items():
            flatten(child, name if path is None else path + '.' + name, memberships, leaves, arrays)
    elif isinstance(value, list):
        array = next(arrays)
        for i, child in enumerate(value):
            flatten(child, path, {**memberships, array: i}, leaves, arrays)
    else:
        leaves.append((path, value, memberships))


def rules_of(pattern, path, rules):
    """The pattern's rules, each a list of (path, values)."""
    for name, value in pattern.items():
        here = name if path is None else path + '.' + name
        if name == '$or':
            rules = [rule for branch in value for rule in rules_of(branch, path, rules)]
        elif isinstance(value, dict):
            rules = rules_of(value, here, rules)
        else:
            rules = [rule + [(here, value)] for rule in rules]
    return rules


def consistent(a, b):
    return all(a.get(array, i) == i for array, i in b.items())


def passes(values, value):
    return any(v.test(value) if isinstance(v, Bag) else same(v, value) for v in values)


def rule_matches(fields, leaves, memberships):
    if not fields:
        return True
    path, values = fields[0]
    found = [leaf for leaf in leaves if leaf[0] == path and consistent(memberships, leaf[2])]
    if not found and any(isinstance(v, Bag) and v.absent for v in values) and \
            rule_matches(fields[1:], leaves, memberships):
        return True
    return any(passes(values, value) and rule_matches(fields[1:], leaves, {**memberships, **more})
               for _, value, more in found)


def model(pattern, record):
    leaves = []
    flatten(record, None, {}, leaves, itertools.count())
    return any(rule_matches(sorted(rule, key=lambda field: field[0].encode().replace(b'.', b'\0')), leaves, {})
               for rule in rules_of(pattern, None, [[]]))


# --- the comparison ----------------------------------------------------------

def damaged(text):
    for _ in range(random.randint(1, 4)):
        i = random.randrange(len(text) + 1)
        j = min(len(text), i + random.randrange(12))
        text = random.choice([
            text[:i] + text[j:],
            text[:i] + text[i:j] * random.randint(2, 40) + text[j:],
            text[:i] + random.choice(list('[]{}:,"*\\/.-0159eE$') + ['[]', '{}', 'null', '"exists"', '"numeric"', '\\u0000', '1e999', '"$or":[', '{"wildcard":"']) + text[i:]])
    return text


JUNK = [None, True, '', 'x', Number('0'), Number('1e5'), {}, [], [[]], [{}], {'': []}, {'exists': True}, ['>', Number('1')], [None, 'x', Number('2')],
        {'prefix': 'x'}, {'equals-ignore-case': 'É'}, {'$or': [{'a': ['x']}, {'b': ['y']}]}, {'$or': ['x', {'suffix': ''}]}, {'wildcard': '\\\\*'}, {'cidr': '1.2.3.4/9'}]


def distorted(node):
    """Valid JSON, but with something in the place of something else."""
    if isinstance(node, Bag):
        node = node.source
    if isinstance(node, (dict, list)) and node and random.random() < 0.85:
        if isinstance(node, list):
            i = random.randrange(len(node))
            return node[:i] + [distorted(node[i])] + node[i + random.choice([1, 1, 0]):]
        name = random.choice(list(node))
        return {random.choice([name] * 8 + ['$or', 'numeric', 'anything-but']) if n == name else n: distorted(v) if n == name else v for n, v in node.items()}
    return random.choice([random.choice(JUNK), [node], {'anything-but': node}, {'numeric': node}, {'$or': [node, node]}])


def copy_text(*columns):
    return '\t'.join(c.replace('\\', '\\\\').replace('\t', '\\t').replace('\n', '\\n') for c in columns)


def sql(script):
    run = subprocess.run(['psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1'],
                         input=script, text=True, encoding='utf-8', capture_output=True)
    if run.returncode != 0:
        sys.exit('psql: ' + run.stderr[-2000:])
    return run.stdout


def main():
    seed = int(os.environ.get('SEED', random.randrange(10 ** 9)))
    random.seed(seed)
    print('seed', seed)
    sql("""
        create extension if not exists ddbstreams;
        create schema if not exists filter_test;
        create or replace function filter_test.verdicts(jsonb, jsonb, text, jsonb) returns text
            language c strict as 'ddbstreams', 'ddbstreams_filter_criteria_verdicts';
        create or replace function filter_test.outcome(pattern text, record jsonb) returns text language plpgsql as $$
        begin
            return ddbstreams.filter_matches(pattern::jsonb, record);
        exception when data_exception or program_limit_exceeded then
            -- it is no pattern, or jsonb does not take it
            return case when sqlerrm = 'Invalid filter pattern definition.' then 'invalid' else 'json' end;
        end $$;
        create or replace function filter_test.criteria_outcome(pattern text, record jsonb) returns text language plpgsql as $$
        begin
            return split_part(filter_test.verdicts(jsonb_build_object('Filters', jsonb_build_array(jsonb_build_object('Pattern', pattern))), record, 'INSERT', '{}'), ' ', 3);
        exception when invalid_parameter_value then
            return 'invalid';
        end $$;
    """)
    faults = 0
    for _ in range(ROUNDS):
        cases, bad = [], []
        expected = [0, 0]
        for number in range(CASES):
            event = random.choice(['INSERT', 'MODIFY', 'REMOVE'])
            keys = some_record(1) or {'a': None}
            image = some_record(3) or {'a': None}
            record = {'eventName': event, 'dynamodb': {'Keys': keys, 'NewImage': image}}
            pattern = {}
            if random.random() < 0.3:
                pattern['eventName'] = random.choice([['INSERT'], [Bag({'anything-but': 'MODIFY'}, lambda v: v != 'MODIFY')], ['MODIFY', 'REMOVE']])
            if random.random() < 0.3:
                pattern['dynamodb'] = {'Keys': random.choice([some_pattern(1, NAMES), pattern_of(keys)])}
            if random.random() < 0.9 or not pattern:
                pattern.setdefault('dynamodb', {})['NewImage'] = random.choice([some_pattern(2, NAMES), pattern_of(image)])
            if random.random() < 0.1:
                pattern['$or'] = [{'eventName': ['INSERT']}, {'dynamodb': {'NewImage': some_pattern(2, NAMES)}}]
            matches = model(pattern, record)
            expected[matches] += 1
            cases.append(copy_text(str(number), dump(pattern), dump(record), event, dump(keys), 't' if matches else 'f'))
            bad.append(copy_text(damaged(dump(pattern)) if random.random() < 0.3 else dump(distorted(pattern)), dump(record)))
        out = sql("""
            create temp table cases (number int, pattern jsonb, record jsonb, event text, keys jsonb, expected bool);
            copy cases from stdin;
%s
\\.
            create temp table damaged (pattern text, record jsonb);
            copy damaged from stdin;
%s
\\.
            select 'expected ' || expected || ': ' || pattern || '   ' || record from cases
            where ddbstreams.filter_matches(pattern, record) <> expected limit 5;
            select 'verdicts ' || v || ', expected ' || expected || ': ' || pattern || '   ' || record
            from cases, filter_test.verdicts(jsonb_build_object('Filters', jsonb_build_array(jsonb_build_object('Pattern', pattern::text))), record, event, keys) as v
            where v !~ case when expected then '^(MAYBE|YES) (MAYBE|YES) YES$' else '^(NO|MAYBE) (NO|MAYBE) NO$' end or v ~ '^YES (MAYBE|NO)' or v ~ '^NO (MAYBE|YES)' limit 5;
            select 'pretests never ' || word from unnest(array['^NO', '^YES', '^MAYBE NO', '^MAYBE YES', '^MAYBE MAYBE NO', '^MAYBE MAYBE YES']) as word
            where not exists (select from cases, filter_test.verdicts(jsonb_build_object('Filters', jsonb_build_array(jsonb_build_object('Pattern', pattern::text))), record, event, keys) as v where v ~ word);
            select 'damaged: ' || o || ', ' || c || ': ' || pattern from damaged, filter_test.outcome(pattern, record) as o, filter_test.criteria_outcome(pattern, record) as c
            where c <> case o when 'true' then 'YES' when 'false' then 'NO' else 'invalid' end and length(pattern) <= 4096
            -- a name twice in an object is refused in a text, and lost in jsonb
            and case when o in ('true', 'false') and c = 'invalid'
                then regexp_count(pattern, '" *:') = regexp_count(pattern::jsonb::text, '" *:') else true end limit 5;
            select '#', count(*), count(*) filter (where o = 'json'), count(*) filter (where o = 'invalid') from damaged, filter_test.outcome(pattern, record) as o;
        """ % ('\n'.join(cases), '\n'.join(bad)))
        for line in out.splitlines():
            print(line[:1500])
            faults += not line.startswith('#')
        print('expected to match: %d of %d' % (expected[True], CASES))
    sys.exit(1 if faults else 0)


main()
