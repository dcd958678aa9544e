#!/usr/bin/env pwsh
# Check, migrate, serve: what Railway does, for any other host. Needs DATABASE_URL and nothing else; all logic is in ibex.
$ErrorActionPreference = 'Stop'
Set-Location (Join-Path $PSScriptRoot '..')
$env:PATH = @((Join-Path $PWD '.venv/bin'), (Join-Path $PWD '.venv/Scripts'), $env:PATH) -join [IO.Path]::PathSeparator
if (-not (Get-Command ibex -ErrorAction SilentlyContinue)) {
    [Console]::Error.WriteLine('ibex is not installed. Run: uv sync --locked --no-dev')
    exit 78
}
ibex check --before-deploy
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
ibex migrate deploy
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
ibex serve
exit $LASTEXITCODE
