// The shown prediction from other programs: copied as they stand, they work.

export function snippetsOf(origin, id, isWithKey) {
  const key = isWithKey ? `-H "Authorization: Bearer $FIBERLESS_API_KEY" ` : "";
  return {
    curl: `curl ${key}-o spectrum.fits '${origin}/api/v1/predictions/${id}/spectrum?format=fits'`,
    "Python client": [
      "from fiberless import Client",
      "",
      `with Client("${origin}") as client:`,
      `    prediction = client.prediction("${id}")`,
      "    print(prediction.properties.redshift)",
    ].join("\n"),
    specutils: [
      "from astropy.utils.data import download_file",
      "from specutils import Spectrum",
      "",
      `url = "${origin}/api/v1/predictions/${id}/spectrum?format=fits"`,
      "spectrum = Spectrum.read(download_file(url))",
    ].join("\n"),
    astropy: [
      "from astropy.table import Table",
      "",
      `table = Table.read("${origin}/api/v1/predictions/${id}/spectrum?format=votable", format="votable")`,
    ].join("\n"),
  };
}
