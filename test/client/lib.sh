# shellcheck shell=bash
#
# What the scripts of this folder share.

# Make a virtual environment in ./venv with these packages of PyPI, once.
python_packages()
{
	local wanted="$*"

	if [ "$(cat venv/wanted 2>/dev/null)" != "$wanted" ]; then
		rm -rf venv
		/usr/bin/python3 -m venv venv
		venv/bin/pip install --quiet --disable-pip-version-check "$@"
		echo "$wanted" >venv/wanted
	fi
}

# Put these packages of npm into ./node_modules, once.
npm_packages()
{
	local wanted="$*"

	if [ "$(cat node_modules/wanted 2>/dev/null)" != "$wanted" ]; then
		rm -rf node_modules package.json package-lock.json
		echo '{"private": true}' >package.json
		npm install --silent --no-audit --no-fund --ignore-scripts --save-exact "$@"
		echo "$wanted" >node_modules/wanted
	fi
}

# Make the folder NAME/lib with these artifacts of Maven Central (group:artifact:
# version) and what they need, once.
maven_project()
{
	local name=$1 wanted artifact group version
	shift

	wanted="$*"
	[ "$(cat "$name/wanted" 2>/dev/null)" != "$wanted" ] || return 0
	rm -rf "$name"
	mkdir "$name"
	{
		echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
		echo '<groupId>client</groupId><artifactId>client</artifactId><version>1</version><dependencies>'
		for artifact in "$@"; do
			IFS=: read -r group artifact version <<<"$artifact"
			echo "<dependency><groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version></dependency>"
		done
		echo '</dependencies></project>'
	} >"$name/pom.xml"
	mvn --batch-mode --quiet -Dmaven.repo.local="$PWD/m2" -f "$name/pom.xml" \
		org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory=lib
	echo "$wanted" >"$name/wanted"
}

# Compile Java sources with NAME/lib to NAME/classes.
java_build()
{
	local name=$1
	shift

	mkdir -p "$name/classes"
	javac -nowarn -cp "$name/lib/*" -d "$name/classes" "$@"
}
