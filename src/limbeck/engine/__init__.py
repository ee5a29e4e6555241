"""The engine turns batches and signals into a trained model. It knows nothing of files, teachers or modalities."""
