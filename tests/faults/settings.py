"""What is read from files: half written, damaged, of another version, wrong."""

from __future__ import annotations

from functools import partial

from tests.faults import Fault

TITLE = "Settings, profiles, models and what was kept"

_row = partial(Fault, group="settings")
_goes_on = partial(_row, heard="plays on as it was", state="good")
_refused = partial(_row, heard="does not start", state="exit 2", seconds=None)

ROWS = (
    _goes_on(
        name="saved-half",
        trouble="the configuration is saved half written or with a mistake",
        message="not taken up: … is not valid TOML: …",
        seconds=None,
        recovery="with the next save that is whole",
        test="tests/test_mappers.py::test_a_file_that_is_saved_is_taken_up_by_itself_and_a_broken_one_is_not",
        without=(
            "brainmusic_daemon/service/errands.py",
            "        except (BrainmusicError, Fault) as error:\n            self.refusals += 1\n",
            "        except (BrainmusicError, Fault) as error:\n            raise\n",
        ),
    ),
    _goes_on(
        name="saved-by-emptying-first",
        trouble="a program saves the configuration by emptying it first, and takes its time",
        message="",
        seconds=0.5,
        recovery="after it is written: the new one is taken up then",
        test="tests/test_faults_settings.py::test_a_configuration_that_is_emptied_first_is_waited_for",
        without=(
            "brainmusic_daemon/service/watcher.py",
            "return None if not found.st_size else (found",
            "return (found",
        ),
    ),
    _goes_on(
        name="hang-up-half-written",
        trouble="a reload (SIGHUP) is asked for while the configuration is half written",
        message="… is not valid TOML: …",
        seconds=None,
        recovery="with the next reload",
        test="tests/test_faults_settings.py::test_hang_up_with_a_broken_configuration_changes_nothing",
        without=(
            "brainmusic_daemon/cli/options.py",
            "        interrupted.reload = daemon.control.reload_soon\n",
            "",
        ),
    ),
    _goes_on(
        name="hang-up-unknown-key",
        trouble="a reload is asked for with a setting that there is not",
        message="there is no section 'sorce'; did you mean 'source'?",
        seconds=None,
        recovery="with the next reload",
        test="tests/test_faults_settings.py::test_hang_up_with_a_broken_configuration_changes_nothing",
        without=(
            "brainmusic_daemon/config.py",
            "{registry.did_you_mean(key, _TABLES)}",
            "",
        ),
    ),
    _goes_on(
        name="other-sections-saved",
        trouble="settings are saved that cannot change while it plays",
        message="[…] of … changed: that needs a new start",
        seconds=None,
        recovery="with a new start",
        test="tests/test_mappers.py::test_other_sections_need_a_new_start_and_that_is_said",
        without=("brainmusic_daemon/service/mappers.py", "        if elsewhere:", "        if False:"),
    ),
    _refused(
        name="configuration-wrong",
        trouble="a configuration has ten mistakes at the start",
        message="10 problems in …:… did you mean …",
        recovery="all are told at once, each with the way out",
        test="tests/test_bad_input.py::test_ten_mistakes_are_ten_lines",
        without=(
            "brainmusic_daemon/config.py",
            "    if problems:\n        lines",
            "    if len(problems) < 2:\n        lines",
        ),
    ),
    _refused(
        name="configuration-none",
        trouble="what is to be the configuration is no text: a program, another encoding",
        message="cannot read the configuration …",
        recovery="name another; where it is text, but no TOML, the line is told",
        test="tests/test_bad_input.py::test_a_configuration_that_is_none_is_named",
        without=(
            "brainmusic_daemon/tomlfile.py",
            "except (OSError, UnicodeDecodeError) as error:",
            "except OSError as error:",
        ),
    ),
    _refused(
        name="scene-names-nothing",
        trouble="a scene names a mapper or a preset that there is not",
        message="there is no …",
        recovery="it is told at the start, not when the scene is wanted on stage",
        test="tests/test_mappers.py::test_a_scene_that_names_nothing_is_told_before_it_is_wanted",
        without=(
            "brainmusic_daemon/config.py",
            'reading.scenes(tables.get("scene", {}), origin, problems)',
            'reading.scenes(tables.get("scene", {}), origin, [])',
        ),
    ),
    _refused(
        name="profile-damaged",
        trouble="the profile of a person is damaged, half written or from a newer version",
        message="the profile … make it anew with: brainmusic calibrate …",
        recovery="calibrate anew",
        test="tests/test_profile.py::test_a_damaged_or_foreign_file_is_one_message_with_the_way_out",
        without=(
            "brainmusic_daemon/features/profile_file.py",
            'if table.get("version") != VERSION:',
            "if False:",
        ),
    ),
    _refused(
        name="profile-parts-mixed",
        trouble="the two files of a profile do not belong together: one was saved, the other not",
        message="… does not belong to …, or is damaged; make it anew with: brainmusic calibrate …",
        recovery="calibrate anew",
        test="tests/test_profile.py::test_arrays_that_do_not_belong_are_refused",
        without=(
            "brainmusic_daemon/features/profile_file.py",
            'if table.get("arrays") != _digest(arrays):',
            "if False:",
        ),
    ),
    _row(
        name="model-cut",
        heard="plays on as it was; does not start with it",
        state="refused, exit 2",
        trouble="a model's file is cut off or damaged",
        message="cut off",
        seconds=None,
        recovery="copy or train it again",
        test="tests/test_model_file.py::test_every_truncation_is_refused",
        without=("brainmusic_daemon/mapping/model_file.py", "    if 8 + length > size:", "    if False:"),
    ),
    _row(
        name="model-pickle",
        heard="plays on as it was; does not start with it",
        state="refused, exit 2",
        trouble="a model's file is a Python pickle, which could run anything",
        message="is a Python pickle",
        seconds=None,
        recovery="nothing in it is run",
        test="tests/test_model_file.py::test_a_pickle_in_disguise_is_not_opened",
        without=(
            "brainmusic_daemon/mapping/model_file.py",
            'if head.startswith(begin) and head[8:9] != b"{":',
            "if False:",
        ),
    ),
    _goes_on(
        name="kept-damaged",
        heard="begins as the configuration says",
        trouble="what was kept of the last run is damaged, half written or from a newer version",
        message="what was played last is not taken up: … cannot be read (…)",
        seconds=None,
        recovery="it is kept anew at once",
        test="tests/test_memory.py::test_a_broken_file_is_told_and_left_aside",
        without=(
            "brainmusic_daemon/service/kept.py",
            "except (OSError, ValueError, TypeError, RecursionError) as error:",
            "except OSError as error:",
        ),
    ),
    _goes_on(
        name="kept-does-not-fit",
        heard="begins as the configuration says",
        trouble="what was kept names a preset, a mapper or a person that is gone",
        message="what was played last is not taken up: …",
        seconds=None,
        recovery="it is kept anew at once",
        test="tests/test_memory.py::test_what_does_not_fit_is_told_and_left_aside",
        without=(
            "brainmusic_daemon/service/kept.py",
            "    except BrainmusicError as error:\n",
            "    except ZeroDivisionError as error:\n",
        ),
    ),
    _goes_on(
        name="run-file-left-behind",
        heard="plays",
        trouble="a daemon that crashed has left its run file behind",
        message="",
        seconds=0.0,
        test="tests/test_control_socket.py::test_what_a_crash_left_behind_is_no_obstacle",
        without=(
            "brainmusic_daemon/service/control_socket.py",
            "        run_file.remove(self._name, other.token if other is not None else None)\n",
            "",
        ),
    ),
    _goes_on(
        name="run-file-broken",
        heard="plays",
        trouble="a run file is empty or no JSON",
        message="",
        seconds=2.0,
        recovery="while it could just be being written",
        test="tests/test_control_socket.py::test_a_broken_run_file_is_none",
        without=(
            "brainmusic_daemon/service/run_file.py",
            "    except (OSError, ValueError, TypeError, OverflowError, RecursionError):\n        return None",
            "    except OSError:\n        return None",
        ),
    ),
)
