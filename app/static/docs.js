// The interactive reference: Swagger UI on this service's own OpenAPI document, with nothing from elsewhere.

window.addEventListener("DOMContentLoaded", () => {
  SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    tryItOutEnabled: true,
  });
});
