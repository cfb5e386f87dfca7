#!/bin/bash
#
# Two emulators of event filters answer differently from AWS's own matcher, for
# ordinary patterns on a stream's records.
#
# One would guess that a plugin for stream events and a mock of EventBridge agree
# with event-ruler, which AWS publishes as the matcher behind its patterns, on
# conditions as simple as "is not x", "exists" and "is in the list".
#
# serverless-offline-dynamodb-streams matches anything-but where the attribute is
# missing, has exists look at objects as well as at values, and compares the
# text of an N as a number, which AWS never does. It does not find an element of
# a list of typed values, and neither does moto. Both say that an empty list
# exists.
#
# A filter that was tried with an emulator drops or passes other records in
# production. A change stream's own filters must be compared with event-ruler.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
npm_packages serverless-offline-dynamodb-streams@8.0.1
python_packages 'moto[events]==5.2.5'
maven_packages software.amazon.event.ruler:event-ruler:2.0.1
cat >"$scratch/record" <<'END'
{"eventName": "MODIFY", "dynamodb": {"NewImage": {"status": {"S": "open"}, "total": {"N": "150"}, "tags": {"L": [{"S": "a"}, {"S": "b"}]}, "none": {"L": []}}}}
END
cat >"$scratch/patterns" <<'END'
{"eventName": [{"anything-but": ["INSERT"]}]}
{"dynamodb": {"NewImage": {"missing": {"S": [{"anything-but": "x"}]}}}}
{"dynamodb": {"NewImage": {"status": [{"exists": true}]}}}
{"dynamodb": {"NewImage": {"total": {"N": [{"numeric": ["=", 150]}]}}}}
{"dynamodb": {"NewImage": {"tags": {"L": {"S": ["a"]}}}}}
{"dynamodb": {"NewImage": {"none": {"L": [{"exists": true}]}}}}
END
cat >"$java_project/Run.java" <<'END'
import java.nio.file.*;
import software.amazon.event.ruler.Ruler;

public class Run {
	public static void main(String[] arguments) throws Exception {
		String record = Files.readString(Path.of(arguments[0]));
		int number = 1;
		for (String pattern : Files.readAllLines(Path.of(arguments[1])))
			System.out.println("event-ruler " + number++ + "\t" + Ruler.matchesRule(record, pattern));
	}
}
END
cat >"$node_project/run.cjs" <<'END'
const fs = require('fs');
const { filterRecords } = require('serverless-offline-dynamodb-streams/src/filter-patterns');
const record = JSON.parse(fs.readFileSync(process.argv[2]));
fs.readFileSync(process.argv[3], 'utf8').trim().split('\n').forEach((pattern, index) =>
	console.log(`serverless-offline ${index + 1}\t${filterRecords([JSON.parse(pattern)], [record]).length > 0}`));
END
cat >"$scratch/run.py" <<'END'
import json
import sys

from moto.events.models import EventPattern

for number, pattern in enumerate(open(sys.argv[2]), 1):
    record = json.load(open(sys.argv[1]))
    print(f"moto {number}\t{str(EventPattern.load(pattern).matches_event(record)).lower()}")
END
seen=$(java -cp "$classpath" "$java_project/Run.java" "$scratch/record" "$scratch/patterns"
	node "$node_project/run.cjs" "$scratch/record" "$scratch/patterns"
	python3 "$scratch/run.py" "$scratch/record" "$scratch/patterns")
nl "$scratch/patterns"
expect_lines "$seen" <<'END'
event-ruler 1	true
serverless-offline 1	true
moto 1	true
event-ruler 2	false
serverless-offline 2	true
moto 2	false
event-ruler 3	false
serverless-offline 3	true
moto 3	false
event-ruler 4	false
serverless-offline 4	true
moto 4	false
event-ruler 5	true
serverless-offline 5	false
moto 5	false
event-ruler 6	false
serverless-offline 6	true
moto 6	true
END
finish
