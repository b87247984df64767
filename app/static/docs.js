// The interactive reference: Swagger UI on this service's own OpenAPI document, with nothing from elsewhere.

// Behind a proxy that adds a path, the paths of the OpenAPI document lie under it.
function underPrefix(request) {
  const base = new URL(".", location.href);
  const url = new URL(request.url, base);
  if (url.origin === base.origin && !url.pathname.startsWith(base.pathname)) {
    request.url = new URL(`.${url.pathname}${url.search}`, base).href;
  }
  return request;
}

window.addEventListener("DOMContentLoaded", () => {
  SwaggerUIBundle({
    url: "openapi.json",
    requestInterceptor: underPrefix,
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    tryItOutEnabled: true,
  });
});
