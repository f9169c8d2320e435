"""The local AWS of the rehearsal: moto server with a request log and the corrections in `patches`."""
