"""Cube files in the layout of Pasquet et al. 2019, mapped from disk."""

import numpy as np
import pytest

from fiberless.datasets.sdss.catalogue import catalogue_of
from fiberless.datasets.sdss.cube import CubeFile, map_npz
from fiberless.errors import UsageError

ID = 1237648720693755918


@pytest.fixture(scope="module")
def cube():
    return np.random.default_rng(1).normal(0, 1, (4, 64, 64, 5)).astype(np.float32)


@pytest.fixture
def write(tmp_path, cube):
    def make(pixels=cube, saver=np.savez, **labels):
        table = np.zeros(4, dtype=[(name, np.asarray(values).dtype) for name, values in labels.items()])
        for name, values in labels.items():
            table[name] = values
        saver(tmp_path / "sdss.npz", cube=pixels, labels=table)
        return CubeFile(tmp_path / "sdss.npz")

    return make


@pytest.fixture
def galaxies():
    columns = {"object_id": [ID + 2, ID + 1, ID + 9], "spec_obj_id": [12, 11, 19], "ra": [2.0, 1.0, 9.0]}
    usual = {"plate": 1, "mjd": 1, "run": 1, "camcol": 1, "field": 1, "redshift": 0.1, "dec": 0.5}
    return catalogue_of(columns | {name: [value] * 3 for name, value in usual.items()} | {"fiber": [1, 2, 3]})


def test_arrays_are_mapped_and_not_loaded(write, cube):
    file = write(objID=np.arange(4))
    mapped = map_npz(file.path, "cube")
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, cube)
    np.testing.assert_array_equal(file.image(2), np.moveaxis(cube[2], -1, 0))


def test_arrays_in_fortran_order_too(write, cube):
    np.testing.assert_array_equal(
        map_npz(write(np.asfortranarray(cube), objID=np.arange(4)).path, "cube"), cube
    )


@pytest.mark.parametrize(
    "labels",
    [
        {"objID": np.array([ID, ID + 1, ID + 2, ID + 3])},
        {"OBJID": np.array([str(ID + i) for i in range(4)])},
        {"specObjID": np.array([10, 11, 12, 13], dtype=np.uint64)},
        {"specObjID": np.array([1e19, 2e19, 1, 3]), "ra": np.arange(4.0), "dec": np.full(4, 0.5)},
        {"ra": np.arange(4, dtype=np.float32), "dec": np.full(4, 0.5, np.float32)},
    ],
)
def test_galaxies_are_found_by_exact_id_or_position(write, galaxies, labels):
    assert write(**labels).rows_of(galaxies).tolist() == [1, 2, -1]


def test_ids_one_apart_are_told_apart(write, galaxies):
    assert float(ID + 1) == float(ID + 2)
    assert write(objID=np.array([0, ID + 2, ID + 1, 5])).rows_of(galaxies).tolist() == [2, 1, -1]


def test_compressed_files_are_refused_with_the_remedy(write):
    file = write(saver=np.savez_compressed, objID=np.arange(4))
    with pytest.raises(UsageError, match=r"np\.savez"):
        map_npz(file.path, "cube")


def test_labels_that_name_nobody_are_refused(write, galaxies):
    with pytest.raises(UsageError, match="neither exact ids nor ra, dec"):
        write(objID=np.arange(4.0)).rows_of(galaxies)


def test_other_shapes_are_refused(write, cube, galaxies):
    file = write(np.moveaxis(cube, -1, 1).copy(), objID=np.arange(4))
    with pytest.raises(UsageError, match=r"not \(N, 64, 64, 5\)"):
        file.rows_of(galaxies)


def test_a_file_that_is_no_npz_is_refused(tmp_path):
    (tmp_path / "sdss.npz").write_bytes(b"no zip")
    with pytest.raises(UsageError, match="gives no array cube"):
        CubeFile(tmp_path / "sdss.npz").image(0)
