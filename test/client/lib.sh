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
