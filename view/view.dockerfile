# The packages that it needs to run. They change less often than the code, and so stay in the cache.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm cache clean --force

# Compiles it, with the compiler and all; and its page, for the browser.
FROM packages AS build
RUN npm ci
COPY tsconfig.json compiled.js ./
COPY lib lib
COPY view view
RUN npx tsc && npm run page

# Runs it, in a heap that fits in the container's 128 MB: of itself Node takes more, and only then collects.
FROM packages
ENV NODE_ENV=production NODE_OPTIONS="--max-old-space-size=64 --max-semi-space-size=4"
# In the container, for Compose to publish: on this machine it is reached at 127.0.0.1 alone.
ENV VIEW_ADDRESS=0.0.0.0
COPY --from=build /app/dist .
USER node
# In exec form, so that node itself gets the signal to stop.
CMD ["node", "view/live_view.js"]

# Settings: edit them, and run ./buildAndRun.sh --view again. The port is VIEW_PORT, in the shell or in .env.
ENV KAFKA_TOPIC=test-topic
