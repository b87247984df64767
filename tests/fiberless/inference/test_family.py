import torch

from fiberless.inference.family import contrastive_score, medoid


def test_score_is_the_cosine():
    image = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    latent = torch.tensor([[[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [0.0, -1.0]]])
    assert torch.allclose(contrastive_score(image, latent), torch.tensor([[1.0, 0.6], [0.0, -1.0]]))


def test_medoid_is_closest_to_the_mean():
    latents = torch.tensor([[[0.0], [1.0], [2.0], [9.0]], [[5.0], [5.0], [-1.0], [3.2]]])
    assert medoid(latents).tolist() == [2, 3]


def test_single_candidate_is_its_own_medoid():
    assert medoid(torch.ones(2, 1, 3)).tolist() == [0, 0]
