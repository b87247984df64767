"""What docker-compose.yml and the Dockerfiles promise: their commands, variables, paths and rights exist."""

import importlib
import json
import re
import tomllib
from fnmatch import fnmatch
from importlib.metadata import distribution
from pathlib import Path

import pytest
import typer
import yaml
from packaging.requirements import Requirement
from pydantic import AliasChoices

from fiberless.service.launcher.broker import redis_command
from fiberless.service.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENT = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = DOCUMENT["services"]
OURS = ["api", "fetch", "predict-cpu", "predict-gpu"]
DOCKERFILES = {path.name: path.read_text() for path in sorted((ROOT / "docker").glob("*.Dockerfile"))}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def _instructions(name):
    """Pairs (instruction, argument) of a Dockerfile, continuation lines joined."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILES[name], flags=re.MULTILINE))
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line]


def _copied(name):
    """Paths that a Dockerfile copies from the checkout."""
    copies = [argument.split() for kind, argument in _instructions(name) if kind == "COPY"]
    return [path for words in copies if not words[0].startswith("--from") for path in words[:-1]]


def _installed_extras(name):
    return re.search(r'pip install --no-cache-dir "\.\[([a-z,]+)\]"', DOCKERFILES[name])[1].split(",")


def _closure(requirements):
    """Names of all distributions that requirements bring along, as installed here."""
    seen, todo = set(), [Requirement(text) for text in requirements]
    while todo:
        wanted = todo.pop()
        key = (wanted.name.lower(), tuple(sorted(wanted.extras)))
        if key in seen:
            continue
        seen.add(key)
        for text in distribution(wanted.name).requires or []:
            further = Requirement(text)
            contexts = [{"extra": extra} for extra in ("", *wanted.extras)]
            if further.marker is None or any(further.marker.evaluate(context) for context in contexts):
                todo.append(further)
    return {name for name, _ in seen}


def _setting_variables():
    names = set()
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [f"FIBERLESS_{name.upper()}"]
        names.update(str(choice) for choice in choices)
    return names


def test_the_services_are_those_of_the_house():
    assert set(SERVICES) == {"postgres", "redis", *OURS}


@pytest.mark.parametrize("name", OURS)
def test_each_command_of_ours_can_be_run(name):
    python, flag, module, *arguments = SERVICES[name]["command"]
    assert (python, flag) == ("python", "-m")
    entry = importlib.import_module(f"{module}.__main__")
    command = typer.main.get_command(entry.app) if hasattr(entry, "app") else None
    if arguments:
        assert arguments[0] in command.commands
    else:
        assert callable(entry.main)


@pytest.mark.parametrize("name", ["fetch", "predict-cpu", "predict-gpu"])
def test_a_workers_health_check_asks_for_the_kind_of_worker_that_runs(name):
    command, check = SERVICES[name]["command"], SERVICES[name]["healthcheck"]["test"]
    assert check == ["CMD", "python", "-m", "worker", "check", command[-1]]


@pytest.mark.parametrize("name", OURS)
def test_each_variable_of_ours_is_a_setting(name):
    variables = set(SERVICES[name]["environment"])
    assert variables
    assert variables <= _setting_variables()


@pytest.mark.parametrize("name", OURS)
def test_literal_values_of_variables_are_accepted_by_the_settings(name, monkeypatch):
    for variable, value in SERVICES[name]["environment"].items():
        chosen = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
        monkeypatch.setenv(variable, re.sub(r"\$\{[^}]*\}", "x", chosen))
    assert Settings().log_format == "json"


def test_the_front_end_listens_where_its_port_is_published_and_on_this_host_only():
    environment = SERVICES["api"]["environment"]
    (published,) = SERVICES["api"]["ports"]
    assert environment["FIBERLESS_HOST"] == "0.0.0.0"  # noqa: S104  inside the container
    assert published.startswith("${PUBLISH_ADDRESS:-127.0.0.1}:")
    assert environment["FIBERLESS_PUBLISHED_HOST"] == "${PUBLISH_ADDRESS:-127.0.0.1}"
    assert environment["FIBERLESS_ACCESS"] == "${ACCESS:-auto}"
    assert published.endswith(f":{environment['FIBERLESS_PORT']}")
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["api"]


def test_only_the_front_end_and_the_fetcher_have_a_way_to_other_networks():
    assert DOCUMENT["networks"]["inside"] == {"internal": True}
    with_a_way_out = [name for name, service in SERVICES.items() if "outside" in service["networks"]]
    assert with_a_way_out == ["api", "fetch"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_locked_down_watched_and_restarted(name):
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"  # after any exit status, and after a signal
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert re.search(r":\d+\.\d+", service["image"]) or "build" in service


def test_passwords_come_from_the_environment_and_are_required():
    text = (ROOT / "docker-compose.yml").read_text()
    uses = re.findall(r"\$\{(\w+)(:?[?+-][^}]*)?\}", text)
    secrets = [(name, rest) for name, rest in uses if name.endswith(("PASSWORD", "SECRET", "KEY"))]
    assert {name for name, _ in secrets} == {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
    assert all(rest.startswith(":?") for _, rest in secrets)
    variables = [pair for service in SERVICES.values() for pair in service.get("environment", {}).items()]
    hidden = [value for name, value in variables if re.search("PASSWORD|AUTH|SECRET|KEY|_URL", name)]
    assert len(hidden) == 2 + 2 * len(OURS)
    assert all("${" in value for value in hidden)


def test_the_example_environment_names_the_variables_of_the_file_and_holds_no_secret():
    text = (ROOT / "docker-compose.yml").read_text()
    example = (ROOT / ".env.example").read_text()
    declared = set(re.findall(r"^#?([A-Z_]+)=", example, flags=re.MULTILINE))
    assert declared == set(re.findall(r"\$\{(\w+)", text)) | {"COMPOSE_PROFILES"}
    assert re.search(r"^POSTGRES_PASSWORD=$", example, flags=re.MULTILINE)
    assert re.search(r"^REDIS_PASSWORD=$", example, flags=re.MULTILINE)
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_model_runs_in_one_profile_each_and_only_that_of_gpu_asks_for_a_device():
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert profiles == {"predict-cpu": ["cpu"], "predict-gpu": ["gpu"]}
    assert [name for name in SERVICES if "nvidia" in json.dumps(SERVICES[name])] == ["predict-gpu"]
    (device,) = SERVICES["predict-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert "gpu" in device["capabilities"]
    assert SERVICES["predict-gpu"]["environment"]["FIBERLESS_DEVICE"] == "cuda"


def test_named_volumes_are_declared_and_the_blobs_are_shared():
    used = {}
    for name, service in SERVICES.items():
        for mount in service["volumes"]:
            source = re.sub(r"\$\{\w+:-(\w+)\}", r"\1", mount).split(":")[0]
            used.setdefault(source, []).append(name)
    assert {source for source in used if not source.startswith(".")} == set(DOCUMENT["volumes"])
    assert used["blobs"] == ["api", "fetch", "predict-cpu", "predict-gpu"]
    for name in used["blobs"]:
        assert f"blobs:{SERVICES[name]['environment']['FIBERLESS_DATA_DIR']}" in SERVICES[name]["volumes"]


@pytest.mark.parametrize("name", ["api", "predict-cpu", "predict-gpu"])
def test_the_model_store_is_mounted_read_only_where_it_is_looked_for(name):
    target = SERVICES[name]["environment"]["FIBERLESS_MODEL_STORE"]
    assert f"./model_store:{target}:ro" in SERVICES[name]["volumes"]


def test_redis_keeps_its_hints_as_the_embedded_one_does():
    command = SERVICES["redis"]["command"]
    embedded = redis_command(Path("redis-server"), socket=Path("s"), folder=Path("f"))
    for option in ("--appendonly", "--appendfsync", "--maxmemory-policy", "--save"):
        assert command[command.index(option) + 1] == embedded[embedded.index(option) + 1]
    assert SERVICES["redis"]["volumes"] == ["redis:/data"]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_copies_only_what_exists_and_what_the_build_is_given(name):
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"]
    copied = _copied(name)
    assert copied
    for path in copied:
        assert (ROOT / path).exists(), path
        assert any(fnmatch(path, pattern) for pattern in allowed), path


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_has_pinned_bases_an_ordinary_user_and_no_leftovers(name):
    instructions = _instructions(name)
    bases = [argument.split()[0] for kind, argument in instructions if kind == "FROM"]
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", base) for base in bases)
    assert [argument for kind, argument in instructions if kind == "USER"] == ["10001:10001"]
    assert next(kind for kind, _ in reversed(instructions) if kind in {"USER", "RUN", "COPY"}) == "USER"
    assert "apt-get" not in DOCKERFILES[name]
    assert DOCKERFILES[name].count("pip install") == DOCKERFILES[name].count("--no-cache-dir")


@pytest.mark.parametrize("service", OURS)
def test_a_service_runs_what_its_image_holds_as_the_user_of_the_image(service):
    name = Path(SERVICES[service]["build"]["dockerfile"]).name
    assert SERVICES[service]["command"][2] in _copied(name)
    assert ("USER", SERVICES[service]["user"]) in _instructions(name)
    assert (
        f"install --directory --owner=10001 --group=10001 --mode=0750 {_data_dir(service)}"
        in (DOCKERFILES[name])
    )


def test_the_images_own_commands_are_those_of_the_services():
    for service in ("api", "predict-gpu"):
        name = Path(SERVICES[service]["build"]["dockerfile"]).name
        (command,) = (json.loads(argument) for kind, argument in _instructions(name) if kind == "CMD")
        assert command == SERVICES[service]["command"]


def test_the_front_ends_image_gets_no_torch_by_any_way_and_the_workers_does():
    assert _installed_extras("app.Dockerfile") == ["server", "frames"]
    assert _installed_extras("worker.Dockerfile") == ["model", "server"]
    light = _closure([f"fiberless[{','.join(_installed_extras('app.Dockerfile'))}]"])
    heavy = _closure([f"fiberless[{','.join(_installed_extras('worker.Dockerfile'))}]"])
    assert {"fastapi", "celery", "reproject"} <= light
    assert not light & {"torch", "diffusers"}
    assert {"torch", "diffusers", "celery"} <= heavy
    assert set(EXTRAS) >= {*_installed_extras("app.Dockerfile"), *_installed_extras("worker.Dockerfile")}


def _data_dir(service):
    return SERVICES[service]["environment"]["FIBERLESS_DATA_DIR"]
