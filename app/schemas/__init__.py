"""Documents that the service answers with beside the words of the contract, and examples of them."""
