@echo off
rem Start the daemon from a checkout on Windows; see the file run beside this one. The first start makes .venv.
setlocal
set "root=%~dp0.."
set "python=%root%\.venv\Scripts\python.exe"
if exist "%python%" goto refresh
set "python=py"
where /q py || set "python=python"
:refresh
"%python%" -B "%~dp0environment.py" "%root%\.venv" || exit /b 2
set "first=%~1"
if "%first%"=="" goto run
if "%first:~0,1%"=="-" goto run
"%root%\.venv\Scripts\brainmusic.exe" %*
exit /b %errorlevel%
:run
"%root%\.venv\Scripts\brainmusic.exe" run %*
exit /b %errorlevel%
