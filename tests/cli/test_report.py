"""``anybind report``: the page of a run made again, from the command line."""

import json
import shutil


def test_the_page_is_where_one_asks(finished_run, tmp_path, anybind):
    _, out, _ = finished_run
    page = tmp_path / "page.html"
    result = anybind("report", out, "--out", page)
    assert (result.code, result.stdout, result.stderr) == (0, f"page     {page}\n", "")
    assert page.read_text("utf-8") == (out / "report.html").read_text("utf-8")


def test_without_samples_as_json(finished_run, tmp_path, anybind):
    _, out, _ = finished_run
    copy = shutil.copytree(out, tmp_path / "copy")
    result = anybind("report", copy, "--no-samples", "--json")
    answer = json.loads(result.stdout)
    assert answer == {"schema_version": 1, "run": str(copy), "page": str(copy / "report.html"), "samples": False}
    page = (copy / "report.html").read_text("utf-8")
    assert "ridge-chain" in page
    assert "<article" not in page


def test_what_is_no_run_is_an_error_and_no_traceback(tmp_path, anybind):
    result = anybind("report", tmp_path)
    assert result.code == 1
    assert "there is no metrics.json of a run" in result.stderr
    assert "anybind run" in result.stderr
    assert "Traceback" not in result.stderr
