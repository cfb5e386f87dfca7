#!/bin/bash
#
# pgJDBC's getString() gives another text for the same value from the sixth
# execution of a prepared statement on.
#
# One would guess that reading the same row again by the same statement gives
# the same strings.
#
# After five executions the driver prepares the statement on the server and asks
# for binary results, and then makes the text itself: 0.0000000001 becomes
# 1E-10, 100000000 in a double precision 1.0E8, a timetz moves to another zone,
# and a bytea becomes Java's name of an array object. getDouble() of a real
# changes too.
#
# A consumer that polls uses one statement all the time. If it compares texts,
# or makes a key of them, what it wrote in its first polls does not match what
# it reads later. A change stream should give its values as json or text, which
# the driver does not touch.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
start_postgresql
maven_packages org.postgresql:postgresql:42.7.14
cat >"$java_project/Run.java" <<'END'
import java.sql.*;

public class Run {
	public static void main(String[] arguments) throws Exception {
		Connection connection = DriverManager.getConnection(
			"jdbc:postgresql://127.0.0.1:" + System.getenv("PGPORT") + "/postgres?user=postgres");
		System.out.println("driver\t" + connection.getMetaData().getDriverVersion());
		String[] values = {"0.0000000001::numeric", "100000000::float8", "'12:00+02'::timetz",
			"'\\x0001'::bytea", "array[0.1]::float4[]", "'{\"a\": 1e5}'::json", "1.50::numeric"};
		for (String value : values) {
			PreparedStatement statement = connection.prepareStatement("select " + value);
			for (int execution = 1; execution <= 6; execution++) {
				ResultSet rows = statement.executeQuery();
				rows.next();
				if (execution == 1 || execution == 6)
					System.out.println(value + " " + execution + "\t"
						+ rows.getString(1).replaceAll("@[0-9a-f]+$", "@…"));
			}
		}
		PreparedStatement statement = connection.prepareStatement("select 0.1::float4");
		for (int execution = 1; execution <= 6; execution++) {
			ResultSet rows = statement.executeQuery();
			rows.next();
			System.out.println("getDouble " + execution + "\t" + rows.getDouble(1));
		}
	}
}
END
seen=$(java -Dfile.encoding=UTF-8 -Dstdout.encoding=UTF-8 -cp "$classpath" "$java_project/Run.java")
expect_lines "$seen" <<'END'
driver	42.7.14
0.0000000001::numeric 1	0.0000000001
0.0000000001::numeric 6	1E-10
100000000::float8 1	100000000
100000000::float8 6	1.0E8
'12:00+02'::timetz 1	12:00:00+02
'12:00+02'::timetz 6	10:00:00+00
'\x0001'::bytea 1	\x0001
'\x0001'::bytea 6	[B@…
array[0.1]::float4[] 1	{0.1}
array[0.1]::float4[] 6	{"0.1"}
'{"a": 1e5}'::json 1	{"a": 1e5}
'{"a": 1e5}'::json 6	{"a": 1e5}
1.50::numeric 1	1.50
1.50::numeric 6	1.50
getDouble 1	0.1
getDouble 6	0.10000000149011612
END
finish
